"""What an answer does to the pace: every class of answer has its verdict, whatever becomes of the batch."""

import pytest

from tests.decisions.factory import accepted, make_policy, report
from worker.decisions import pause_after, verdict_of
from worker.pacing.spacing import Spacing
from worker.remote.errors import (
    BatchRefused,
    IdempotencyClash,
    LaneStopped,
    NotExecuted,
    OutcomeUnknown,
    RateLimited,
    RemoteError,
    SpaceRefused,
    TokenRejected,
    Withheld,
)

VERDICTS = {
    RateLimited: "rejected",
    NotExecuted: "strike",
    OutcomeUnknown: "strike",
    IdempotencyClash: "accepted",
    TokenRejected: "accepted",
    LaneStopped: "accepted",
    SpaceRefused: "accepted",
    BatchRefused: "accepted",
}
POLICY = make_policy()


@pytest.mark.parametrize(("kind", "verdict"), VERDICTS.items(), ids=lambda given: getattr(given, "__name__", given))
def test_every_error_has_its_verdict(kind, verdict):
    assert verdict_of(kind("no")) == verdict


def test_no_class_of_error_is_forgotten():
    assert VERDICTS.keys() == set(RemoteError.__subclasses__()) - {Withheld}  # of which nothing left


def test_an_answer_that_is_no_error_was_in_time():
    assert {verdict_of(accepted()), verdict_of(report("SUCCESS"))} == {"accepted"}


def test_one_failure_alone_does_not_slow_the_lane_down_and_several_in_a_row_do():
    pauses = [pause_after(OutcomeUnknown("?"), strikes, Spacing(1.0), POLICY) for strikes in (1, 2, 3, 30)]
    assert pauses == [0, POLICY.backoff, 2 * POLICY.backoff, POLICY.backoff_max]


def test_after_the_second_refusal_of_the_rate_limit_in_a_row_the_lane_is_silent_by_the_slot():
    pauses = [pause_after(RateLimited("slow down"), strikes, Spacing(2.0), POLICY) for strikes in (1, 2, 3)]
    assert pauses == [0, 4, 8]


@pytest.mark.parametrize("kind", [RateLimited, NotExecuted, OutcomeUnknown])
def test_what_the_answer_asks_for_is_respected(kind):
    assert pause_after(kind("no", retry_after=9.0), 1, Spacing(1.0), POLICY) == 9


def test_a_retry_after_about_one_request_does_not_stop_the_lane():
    assert pause_after(BatchRefused("no", retry_after=9.0), 0, Spacing(1.0), POLICY) == 0
