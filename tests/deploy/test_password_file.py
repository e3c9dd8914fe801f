"""The password of Redis stands in a file and changes while everything runs."""

import contextlib
import os
import time

import pytest
from redis import Redis, RedisError

from config.settings import Settings
from feishu_batch import ConfigurationError, EnqueueError, FeishuBatch, FeishuBatchError
from tests.support.deploy_servers import Watched
from tests.support.deploy_stack import DeployStack
from tests.support.programs import require
from tests.support.servers import Server
from tests.support.waiting import PATIENCE, fair_now, wait_until
from tests.support.zygote import run_command
from worker.connections import connect
from worker.ledger.reads.lane_health import read_lane_health

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
        with Redis(port=self.port, password=self.password or None) as redis:
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
        rotated, began = time.monotonic(), fair_now()
        handle = enqueue_surely(stack, f"after-{number}", 1031 + number)
        enqueued = fair_now() - began
        applied = when(stack, began, lambda handle=handle: handle.state == "succeeded")
        swept = when(stack, began, lambda rotated=rotated: has_swept_since(stack, rotated))
        print(f"rotation: producer {enqueued:.1f} s, intake, submit and poll {applied:.1f} s, beat {swept:.1f} s")
        assert max(enqueued, applied, swept) < BUSY * BAR
    when(stack, fair_now(), lambda: all(handle.state == "succeeded" for handle in before))
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
    return fair_now() - since


def has_swept_since(stack, moment):
    swept = read_lane_health(stack.redis, stack.lane.keys).swept
    return swept is not None and swept < time.monotonic() - moment


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "No such file"),
        ("", "one line and nothing else"),
        ("s3cr3t\nsecond line", "one line and nothing else"),
        (b"\xff\xfe", "is not a text file"),
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
    with pytest.raises(ConfigurationError, match="already contains a password"):
        FeishuBatch.from_env(environ)
    told = command(os.environ | environ, "status")
    assert (told.returncode, "already contains a password" in told.stderr, "s3cr3t" in told.stderr) == (2, True, False)


def command(environ, *arguments):
    return run_command(*arguments, env=environ, timeout=PATIENCE)


# --- behind Sentinel --------------------------------------------------------------------------------------------------


@pytest.fixture
def watched(tmp_path):
    """Master and replica have a user `app`, whose password stands in a file, and so does that of the sentinels."""
    require("redis-server", "redis-sentinel")
    servers = Watched(tmp_path)
    servers.file = tmp_path / "password"
    servers.sentinels_file.write_text("watch-pw\n")
    servers.start()
    yield servers
    servers.kill()


def set_password(servers, password):
    servers.file.write_text(password + "\n")
    for client in servers.data_clients():
        with client:
            client.execute_command(f"ACL SETUSER app on resetpass >{password} ~* &* +@all")
            client.execute_command("CLIENT KILL USER app")


def test_behind_sentinel_a_password_from_a_file_is_used_and_read_again(watched):
    set_password(watched, "first-s3cr3t")
    url = watched.url_with_files("app")
    with FeishuBatch(url, redis_password_file=watched.file, timeout=3) as client:
        client.enqueue(**CHANGE, work_item_ids=[1], after_field_value="x", intent_id="first")
        set_password(watched, "second-s3cr3t")
        wait_until(lambda: enqueued(client, "second"), BUSY * BAR, "the new password is used")
    with contextlib.closing(connect(Settings(redis_url=url, redis_password_file=watched.file))) as redis:
        assert redis.xlen("feishu-batch:{front}:inbox") == 2
        assert redis.acl_whoami() == "app"


def enqueued(client, intent_id):
    with contextlib.suppress(EnqueueError):
        return client.enqueue(**CHANGE, work_item_ids=[2], after_field_value="x", intent_id=intent_id)


def test_behind_sentinel_a_wrong_password_in_the_file_is_named_without_it(watched):
    set_password(watched, "first-s3cr3t")
    watched.file.write_text("wr0ng\n")
    with (
        FeishuBatch(watched.url_with_files("app"), redis_password_file=watched.file, timeout=3) as client,
        pytest.raises(EnqueueError, match="refused the user or password") as caught,
    ):
        client.enqueue(**CHANGE, work_item_ids=[1], after_field_value="x")
    assert "wr0ng" not in str(caught.value)
