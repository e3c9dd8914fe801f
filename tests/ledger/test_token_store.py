"""The lock under which a token is renewed: kept for as long as its holder lives, and not much longer."""

import subprocess
import sys
import threading
import time

import pytest

from tests.support.waiting import fair_now
from worker.ledger import token_store
from worker.ledger.keys import LaneKeys
from worker.ledger.token_store import RedisTokenStore

HOLD = 0.6
HOLDER = f"""
import sys, time
from redis import Redis
from worker.ledger import token_store
from worker.ledger.keys import LaneKeys
token_store.HOLD, token_store.HEARTBEAT = {HOLD}, {HOLD / 4}
store = token_store.RedisTokenStore(Redis.from_url(sys.argv[1], decode_responses=True), LaneKeys(sys.argv[2], "lane"), "c")
with store.lock(0) as held:
    print(held, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def store(redis, prefix, monkeypatch):
    monkeypatch.setattr(token_store, "HOLD", HOLD)
    monkeypatch.setattr(token_store, "HEARTBEAT", HOLD / 4)
    return RedisTokenStore(redis, LaneKeys(prefix, "lane"), "c")


def test_a_holder_that_was_killed_delays_no_other_for_long(store, redis_url, prefix):
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, redis_url, prefix], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "True\n"
        time.sleep(2 * HOLD)  # however long the renewal takes
        with store.lock(0) as held:
            assert not held
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
    died_at = fair_now()
    with store.lock(5) as held:
        assert held
        assert fair_now() - died_at < HOLD + 0.3


def test_a_renewal_that_takes_longer_than_the_hold_is_not_joined_by_another(store, redis, prefix):
    other = RedisTokenStore(redis, LaneKeys(prefix, "lane"), "c")
    seen = []

    def look():
        with other.lock(2.5 * HOLD) as held:
            seen.append((held, time.monotonic()))

    with store.lock(0) as held:
        assert held
        waiting = threading.Thread(target=look)
        waiting.start()
        time.sleep(2 * HOLD)
        assert seen == []
        done_at = time.monotonic()
    waiting.join()
    [(held, at)] = seen
    assert held
    assert at >= done_at


def test_real_waits_replace_a_dead_holder_in_time():
    assert 2 * token_store.HEARTBEAT < token_store.HOLD <= 4
