"""A second deployment on one broker database, and other remote systems for open work, are refused before anything runs."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis import Redis

from feishu_batch import FeishuBatch
from worker.cli.belonging import remotes_refusal
from worker.ledger.belonging import BROKER_OWNER, OpenWork

ROOT = Path(__file__).parents[2]
CREDENTIALS = {"PLUGIN_ID": "p", "PLUGIN_SECRET": "s", "USER_KEY": "u", "BASE_URL": "http://127.0.0.1:1"}
UP, SUBMIT = ("up",), ("run", "submit")


def start(url, directory, *command, **settings):
    env = {name: value for name, value in os.environ.items() if not name.startswith("FEISHU_BATCH_")}
    given = {**CREDENTIALS, "REDIS_URL": url, "DATA_DIR": str(directory), "DASHBOARD_ENABLED": "false", **settings}
    return subprocess.Popen(
        [sys.executable, "-m", "worker.cli.main", *command],
        env=env | {f"FEISHU_BATCH_{name}": value for name, value in given.items()} | {"PYTHONPATH": str(ROOT)},
        cwd=directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def refused(*args, **settings):
    process = start(*args, **settings)
    try:
        _, told = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 2, told
    [sentence] = [line for line in told.splitlines() if line.startswith("feishu-batch: ")]
    return sentence


@contextmanager
def running(url, directory, *command, **settings):
    """One that came as far as a worker that answers broadcasts."""
    process = start(url, directory, *command, **settings)
    try:
        with Redis.from_url(settings.get("BROKER_URL", url), decode_responses=True) as redis:
            before = redis.scard("_kombu.binding.celery.pidbox")
            deadline = time.monotonic() + 60
            while redis.scard("_kombu.binding.celery.pidbox") <= before:
                assert process.poll() is None, process.communicate()
                assert time.monotonic() < deadline
                time.sleep(0.1)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.communicate(timeout=40)
        finally:
            process.kill()


@pytest.mark.parametrize("command", [UP, SUBMIT, ("run", "beat")])
def test_a_second_deployment_on_one_broker_database_is_refused(own_redis_url, tmp_path, command):
    with running(own_redis_url, tmp_path, *SUBMIT, KEY_PREFIX="one"):
        why = refused(own_redis_url, tmp_path, *command, KEY_PREFIX="two")
    assert "belongs to the deployment with key prefix 'one'" in why
    assert BROKER_OWNER in why


def test_a_ledger_elsewhere_with_the_same_prefix_is_another_deployment(own_redis_url, tmp_path):
    ledger = own_redis_url.replace("/0", "/5")
    with running(own_redis_url, tmp_path, *SUBMIT):
        assert "another ledger" in refused(ledger, tmp_path, *SUBMIT, BROKER_URL=own_redis_url)


def test_the_same_deployment_may_start_again_and_have_a_second_worker(own_redis_url, tmp_path):
    with running(own_redis_url, tmp_path, *SUBMIT), running(own_redis_url, tmp_path, *SUBMIT, "--name", "2"):
        pass
    with running(own_redis_url, tmp_path, *SUBMIT, PLUGIN_SECRET="new", USER_KEY="another"):
        pass


def test_another_remote_system_is_refused_while_workers_of_the_first_run(own_redis_url, tmp_path):
    with running(own_redis_url, tmp_path, *SUBMIT):
        assert "stop all of them first" in refused(own_redis_url, tmp_path, *SUBMIT, BASE_URL="http://127.0.0.1:2")


@pytest.mark.parametrize("command", [UP, SUBMIT])
def test_open_work_is_not_sent_to_another_remote_system(own_redis_url, tmp_path, command):
    with running(own_redis_url, tmp_path, *SUBMIT):
        pass
    with FeishuBatch(own_redis_url) as client:
        client.enqueue(
            project_key="demo",
            work_item_type_key="story",
            work_item_ids=[1],
            field_key="a",
            update_mode=2,
            after_field_value=1,
        )
    why = refused(own_redis_url, tmp_path, *command, BASE_URL="http://127.0.0.1:2")
    assert "1 open intents that are meant for http://127.0.0.1:1" in why
    with Redis.from_url(own_redis_url) as redis:
        redis.flushdb()
    with running(own_redis_url, tmp_path, *SUBMIT, BASE_URL="http://127.0.0.1:2"):
        pass


@pytest.mark.parametrize(
    ("known", "now", "count", "alive", "is_refused"),
    [
        ({}, "http://b x", 9, True, False),
        ({"default": "http://a x"}, "http://a/ x", 9, True, False),
        ({"default": "http://a x"}, "http://b y", 0, False, False),
        ({"default": "http://a x"}, "http://b y", 0, True, True),
        ({"default": "http://a x"}, "http://b y", 1, False, True),
        ({"default": "http://a x"}, "http://a z", 1, False, True),
        ({"other": "http://a x"}, "http://b y", 1, False, False),
    ],
)
def test_what_of_the_remote_system_may_change_when(known, now, count, alive, is_refused):
    why = remotes_refusal(known, {"default": now}, OpenWork(0, {"default": count}), lambda: alive, "key")
    assert (why is not None) is is_refused
