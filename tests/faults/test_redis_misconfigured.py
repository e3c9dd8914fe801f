"""A Redis that would lose the ledger is found at the start; one that is full loses nothing and recovers."""

import os
from pathlib import Path

import pytest
from redis import Redis

from feishu_batch import EnqueueError
from tests.support.fault_stack import FaultStack
from tests.support.model import intent
from tests.support.waiting import PATIENCE, wait_until
from tests.support.zygote import run_command
from worker.operating.redis_checks import Severity, findings, inspect

ROOT = Path(__file__).parents[2]
GOOD_INFO = {"redis_version": "7.2.4", "role": "master", "maxmemory": 0, "used_memory": 10}
GOOD_CONFIG = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}


def test_a_redis_as_it_should_be_gives_no_finding():
    assert findings(GOOD_INFO, GOOD_CONFIG) == []
    assert findings({**GOOD_INFO, "maxmemory": 100, "used_memory": 89}, GOOD_CONFIG) == []


@pytest.mark.parametrize(
    ("info", "config", "severity", "words"),
    [
        ({"redis_version": "6.0.16"}, {}, Severity.FATAL, "6.0.16 is too old"),
        ({"redis_version": "?"}, {}, Severity.UNKNOWN, "6.2 or later"),
        ({"role": "slave", "slave_read_only": 1}, {}, Severity.FATAL, "read-only replica"),
        ({"role": "slave", "slave_read_only": 0}, {}, Severity.WARNING, "primary"),
        ({"loading": 1}, {}, Severity.FATAL, "loading"),
        ({"maxmemory": 100, "used_memory": 95}, {}, Severity.WARNING, "95% of its maxmemory"),
        ({}, {"maxmemory-policy": "allkeys-lru"}, Severity.WARNING, "maxmemory-policy noeviction"),
        ({}, {"appendonly": "no"}, Severity.WARNING, "no append-only file"),
        ({}, {"appendfsync": "everysec"}, Severity.WARNING, "the last second"),
    ],
)
def test_each_fault_is_named_with_what_to_change(info, config, severity, words):
    [finding] = findings({**GOOD_INFO, **info}, {**GOOD_CONFIG, **config})
    assert finding.severity is severity
    assert words in finding.sentence


@pytest.mark.parametrize(
    ("info", "words"),
    [
        ({}, "CONFIG is forbidden"),
        ({"maxmemory_policy": "volatile-ttl"}, "volatile-ttl"),
        ({"aof_enabled": 0}, "no append-only file"),
    ],
)
def test_where_config_is_forbidden_info_tells_a_part(info, words):
    [finding] = findings({**GOOD_INFO, **info}, None)
    assert words in finding.sentence


def run_up(url, directory):
    env = {name: value for name, value in os.environ.items() if not name.startswith("FEISHU_BATCH_")}
    credentials = {"PLUGIN_ID": "p", "PLUGIN_SECRET": "s", "USER_KEY": "u", "BASE_URL": "http://127.0.0.1:1"}
    env |= {f"FEISHU_BATCH_{name}": value for name, value in {**credentials, "REDIS_URL": url}.items()}
    return run_command("up", env=env, cwd=directory, timeout=PATIENCE)


def test_up_refuses_what_cannot_work_and_says_what_to_change(own_redis_url, tmp_path):
    with Redis.from_url(own_redis_url, decode_responses=True) as redis:
        assert [finding.severity for finding in inspect(redis)] == [Severity.WARNING]  # it keeps no file
        redis.execute_command("ACL SETUSER guest on >guest-password ~* &* +@all -config -info")
        guest = own_redis_url.replace("//", "//guest:guest-password@")
        with Redis.from_url(guest, decode_responses=True) as client:
            assert "may not run INFO" in inspect(client)[0].what
        redis.execute_command("ACL SETUSER guest +info")
        with Redis.from_url(guest, decode_responses=True) as client:
            assert "append-only" in inspect(client)[0].what
        wrong = run_up(own_redis_url.replace("//", "//guest:not-the-password@"), tmp_path)
        assert (wrong.returncode, "refuses the user or password" in wrong.stderr) == (3, True)
        assert "not-the-password" not in wrong.stderr + wrong.stdout
        redis.replicaof("127.0.0.1", "1")
        replica = run_up(own_redis_url, tmp_path)
        assert (replica.returncode, "read-only replica" in replica.stderr) == (3, True)
        assert "Point REDIS_URL at the primary" in replica.stderr
        assert not replica.stdout


def fill(stack, taken):
    for number in range(200):
        taken += stack.client.enqueue_many([intent([1100 + number], "x" * 30_000)])


def test_a_redis_that_runs_full_loses_nothing_and_continues_when_it_has_room(tmp_path):
    with FaultStack(tmp_path / "full") as stack:
        before = stack.client.enqueue_many([intent([item], "before") for item in range(1301, 1321)])
        used = int(stack.redis.info("memory")["used_memory"])
        stack.redis.config_set("maxmemory", used + 400_000)
        taken = []
        with pytest.raises(EnqueueError) as caught:
            fill(stack, taken)
        assert not caught.value.outcome_unknown
        assert "out of memory" in str(caught.value)
        stack.redis.config_set("maxmemory", used // 2)
        wait_until(
            lambda: "used memory > 'maxmemory'" in "".join(text for _, text in stack.logs()), 10, "workers feel it"
        )
        stack.redis.config_set("maxmemory", 0)
        handles = [*before, *taken]
        stack.supervise_until(lambda: all(handle.result() for handle in handles), 40, "all have ended")
        assert {str(handle.result().state) for handle in handles} == {"succeeded"}
        assert stack.client.enqueue_many([intent([1001], "after")])[0].wait(PATIENCE).ok
        stack.assert_rules_kept()
