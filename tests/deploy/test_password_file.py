"""The password of Redis stands in a file and changes while everything runs."""

import contextlib
import os
import subprocess
import sys
import time

import pytest
from deploy_stack import DeployStack
from redis import Redis, RedisError
from stack import Server, wait_until

from feishu_batch import ConfigurationError, EnqueueError, FeishuBatch, FeishuBatchError
from worker.connections import connect
from worker.ledger.vitals import vitals

CHANGE = {
    "project_key": "5f0c1a2b3c4d5e6f70818283",
    "work_item_type_key": "story",
    "field_key": "field_a1b2c3",
    "update_mode": "UPDATE",
}
BAR, BUSY = 10.0, 3  # seconds; and what a busy machine may make of it


class RotatingServer(Server):
    """`password` is what it asks for; `file` is where everybody else finds it."""

    def __init__(self, directory):
        super().__init__(directory)
        self.file = directory / "password"
        self.password = ""

    def start(self):
        super().start()
        self.rotate("first-s3cr3t")

    def rotate(self, password):
        """Also for whoever is connected: the connections of the old password are closed, as with a token that ran out."""
        with Redis(port=self._port, password=self.password or None) as redis:
            redis.config_set("requirepass", password)
            self.password = password
            new = self.file.with_suffix(".new")
            new.write_text(password + "\n")
            new.rename(self.file)
            redis.client_kill_filter(skipme=True, _type="normal")
            redis.client_kill_filter(skipme=True, _type="pubsub")


class RotatingStack(DeployStack):
    def __init__(self, directory):
        server = RotatingServer(directory)
        super().__init__(directory, server, server.url, redis_password_file=server.file)

    def _connect(self):
        return connect(self.settings)

    def new_client(self):
        return FeishuBatch(
            self.server.url, redis_password_file=self.server.file, key_prefix=self.settings.key_prefix, timeout=2
        )


@pytest.fixture
def stack(tmp_path):
    with RotatingStack(tmp_path) as stack:
        yield stack


def test_nothing_is_lost_and_everything_works_again_after_a_rotation(stack):
    before = [enqueue_surely(stack, f"before-{n}", 1021 + n) for n in range(8)]
    for number, password in enumerate(("second/s3cr3t", "third#s3cr3t")):
        stack.server.rotate(password)
        rotated = time.monotonic()
        handle = enqueue_surely(stack, f"after-{number}", 1031 + number)
        enqueued = time.monotonic() - rotated
        applied = when(stack, rotated, lambda handle=handle: handle.state == "succeeded")
        swept = when(stack, rotated, lambda rotated=rotated: has_swept_since(stack, rotated))
        print(f"rotation: producer {enqueued:.1f} s, intake, submit and poll {applied:.1f} s, beat {swept:.1f} s")
        assert max(enqueued, applied, swept) < BUSY * BAR
    when(stack, time.monotonic(), lambda: all(handle.state == "succeeded" for handle in before))
    stack.assert_rules_kept()
    for name, text in stack.logs():
        assert "s3cr3t" not in text, name


def enqueue_surely(stack, intent_id, item):
    found = []

    def enqueued():
        with contextlib.suppress(EnqueueError):
            found.append(
                stack.client.enqueue(**CHANGE, work_item_ids=[item], after_field_value="x", intent_id=intent_id)
            )
        return found

    wait_until(enqueued, BUSY * BAR, "it is enqueued")
    return found[0]


def when(stack, since, is_so):
    def seen():
        stack.revive()
        with contextlib.suppress(RedisError, FeishuBatchError):
            return is_so()

    wait_until(seen, 2 * BUSY * BAR, "it works again")
    return time.monotonic() - since


def has_swept_since(stack, moment):
    swept = vitals(stack.redis, stack.lane.prefix).swept
    return swept is not None and swept < time.monotonic() - moment


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "No such file"),
        ("", "one line and nothing else"),
        ("s3cr3t\nsecond line", "one line and nothing else"),
        (b"\xff\xfe", "is no text"),
        ("wr0ng-s3cr3t", "refuses the user or password"),
    ],
)
def test_a_file_that_is_of_no_use_is_named_in_one_sentence(tmp_path, own_redis_url, content, why):
    with Redis.from_url(own_redis_url) as redis:
        redis.config_set("requirepass", "pw")
    file = tmp_path / "redis-password"
    if content is not None:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    environ = os.environ | {"FEISHU_BATCH_REDIS_URL": own_redis_url, "FEISHU_BATCH_REDIS_PASSWORD_FILE": str(file)}
    told = command(environ, "status")
    assert (told.returncode, why in told.stderr) == (3, True), told.stderr
    assert len(told.stderr.splitlines()) == 1
    assert "s3cr3t" not in told.stdout + told.stderr
    with FeishuBatch.from_env(environ) as client, pytest.raises(EnqueueError, match="nothing was written") as refused:
        client.enqueue(**CHANGE, work_item_ids=[1], after_field_value="x")
    assert why.replace("refuses", "refused") in str(refused.value)


def test_two_passwords_for_one_server_are_refused(tmp_path):
    environ = {"FEISHU_BATCH_REDIS_URL": "redis://:s3cr3t@h", "FEISHU_BATCH_REDIS_PASSWORD_FILE": str(tmp_path / "f")}
    with pytest.raises(ConfigurationError, match="has a password already"):
        FeishuBatch.from_env(environ)
    told = command(os.environ | environ, "status")
    assert (told.returncode, "has a password already" in told.stderr, "s3cr3t" in told.stderr) == (2, True, False)


def command(environ, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "worker.cli.main", *arguments],
        env=environ,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
