import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from feishu_batch.keys import IntentKeys
from feishu_batch.retries import RetryResults
from worker.operating.failures import Failures
from worker.operating.tracking import IntentTracker, Listed


class Silent:
    """A ledger's reader that fails at its n-th read."""

    def __init__(self, fails_at):
        self.reads, self.fails_at = 0, fails_at

    def _read(self, answer):
        self.reads += 1
        if self.reads == self.fails_at:
            raise RedisConnectionError
        return answer

    def entries(self, ids):
        return self._read([object() for _ in ids])

    def place(self, _entry):
        return IntentKeys("p", "default", 1)

    def counts(self, places):
        return self._read([{"tot": "2", "opn": "0", "ok": "1", "fl": "1"} for _ in places])

    def outcomes(self, places):
        return self._read([{"7": 'f{"code":"x","reason":"y"}'} for _ in places])

    def retries(self, ids):
        return RetryResults(None, "p", ids)  # of no intents: reads nothing


@pytest.mark.parametrize("fails_at", [1, 2, 3])
def test_a_look_that_redis_does_not_answer_loses_nothing(fails_at):
    watch = IntentTracker(Silent(fails_at), Listed([("a", 2), ("b", 2)]))
    with pytest.raises(RedisConnectionError):
        watch.look()
    assert not watch.is_over
    assert watch.totals().settled == 0
    watch.look()
    assert watch.is_over
    assert (watch.totals().succeeded, watch.totals().failed) == (2, 2)


def refusal(log_id, code="20050"):
    return {"code": code, "reason": f"Value Is Wrong (code 20050, log id {log_id})"}


def test_failures_are_grouped_by_reason_whichever_request_failed_for_it():
    failures, others = Failures(), Failures()
    failures.add_items(
        "a", {"1": refusal("b9a1"), "2": refusal("b9a1"), "3": {"code": "x", "reason": "only the log (log id 1)"}}
    )
    others.add_items("b", {"4": refusal("07c4"), "5": {"code": "x", "reason": "only the log (log id 2)"}})
    assert next(group.reason for group in others.groups()) == refusal("07c4")["reason"]  # all of one request: whole
    failures.join_all(others)
    assert [(group.count, group.reason) for group in failures.groups()] == [
        (3, "Value Is Wrong (code 20050)"),
        (2, "only the log"),
    ]
