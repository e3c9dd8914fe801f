"""The poll worker's own check sees that the single route stands still, also while batches move."""

from dataclasses import replace

from config.settings import Settings
from tests.support.lane_kit import new_intent
from worker.ledger.lane import Lane
from worker.processes.self_check import SelfCheck


def test_health_of_the_poll_worker_names_a_single_route_that_stands_still(redis, redis_url, prefix):
    lane = Lane(redis, prefix, "default")
    lane.singles.configure(10, alone=False)
    lane.record([replace(new_intent(1), single="p", place="p story", look="")])
    check = SelfCheck(
        Settings(redis_url=redis_url, key_prefix=prefix, plugin_id="p", plugin_secret="secret", user_key="u")
    )
    assert check.trouble("poll") == []
    for zset in (lane.keys.singles.since, lane.keys.singles.fresh):
        redis.zincrby(zset, -100_000, redis.zrange(zset, 0, 0)[0])
    [trouble] = check.trouble("poll")
    assert "no single update for 100 s" in trouble
    assert check.trouble("submit") == []
