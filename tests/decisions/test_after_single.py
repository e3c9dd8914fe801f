"""What follows from each class of answer to a single update, with one field and with several, and whether an answer is proof."""

from dataclasses import replace

import pytest

from tests.decisions.factory import EXCHANGE, after_seconds, make_batch, make_policy
from worker.decisions.after_single import (
    REFUSED_FOR,
    TROUBLE_FOR,
    GivenBack,
    after_single,
    after_single_check,
    after_single_check_failed,
)
from worker.decisions.step import Step
from worker.ledger.fields import BatchField
from worker.ledger.records import SUCCEEDED, BatchState, Cell, Part
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
)
from worker.remote.models import ItemWritten

POLICY = make_policy()
LAST = {"tries": POLICY.max_attempts}
SAME_TOKEN = {"rejected_token": "t", "token_rejections": "7"}


def update(fields=1, *, verify=False, tries=1, **record):
    """Of item 7. Several fields are always verified."""
    parts = tuple(Part(Cell(column, 7), column) for column in range(1, fields + 1))
    is_verified = "1" if verify or fields > 1 else ""
    return replace(make_batch(kind="new", tries=tries, verify=is_verified, **record), parts=parts)


def answer(kind, text="why", **more):
    return kind(text, exchange=EXCHANGE, http_status=200, **more)


def rejected():
    error = answer(TokenRejected, code=10022)
    error.fingerprint = "t"
    return error


WRITTEN = ItemWritten("log", EXCHANGE)
REFUSED = BatchRefused("bad option", code=20050)
UNLISTED = BatchRefused("new code", code=77777, is_listed=False)
NO_RIGHT = LaneStopped("not allowed", code=10301)
NO_ENDPOINT = BatchRefused("not found", code=10404, http_status=404)
GATEWAY_404 = OutcomeUnknown("no envelope", http_status=404)

# answer, record of the update → what follows with one plain field, with one that is verified, with several
CASES = {
    "not sent": (None, {}, "back", "back", "back"),
    "written": (WRITTEN, {}, "done", "verify", "verify"),
    "written, with a late one before it": (WRITTEN, {"stray": 1}, "done", "verify", "verify"),
    "limit": (answer(RateLimited), {}, "resend uncounted", "resend uncounted", "resend uncounted"),
    "limit at the last try": (answer(RateLimited), LAST, "resend uncounted", "resend uncounted", "resend uncounted"),
    "the UUID is known": (answer(IdempotencyClash), {}, "read back", "read back", "read back"),
    "token": (rejected(), {}, "renew", "renew", "renew"),
    "the same token too often": (rejected(), SAME_TOKEN, "off", "off", "off"),
    "lane": (answer(LaneStopped, code=20039), {}, "off", "off", "off"),
    "no permission for the endpoint": (NO_RIGHT, {}, "off for long", "off for long", "off for long"),
    "no such endpoint": (NO_ENDPOINT, {}, "off for long", "off for long", "off for long"),
    "a gateway that does not know it": (GATEWAY_404, {}, *["read back, off for long"] * 3),
    "space": (answer(SpaceRefused, code=30014), {}, "barred", "barred", "barred"),
    "refused": (REFUSED, {}, "failed", "failed", "split"),
    "refused at the last try": (REFUSED, LAST, "failed", "failed", "split"),
    "refused with a code in no list": (UNLISTED, {}, "barred", "barred", "split"),
    "not executed": (answer(NotExecuted), {}, "resend later", "resend later", "resend later"),
    "not executed at the last try": (answer(NotExecuted), LAST, "barred", "barred", "barred"),
    "lost": (OutcomeUnknown("cut"), {}, "read back", "read back", "read back"),
    "lost at the last try": (OutcomeUnknown("cut"), LAST, "read back", "read back", "read back"),
    "an error of no known class": (answer(RemoteError), {}, "read back", "read back", "read back"),
}


def word(step, batch):
    """What follows, in a word, after everything that the word promises was checked."""
    if isinstance(step, GivenBack):
        assert not (step.bar and step.off)
        assert bool(step.off) == bool(step.why)
        return {0: "barred" if step.bar else "back", TROUBLE_FOR: "off", REFUSED_FOR: "off for long"}[step.off]
    assert isinstance(step, Step)
    assert step.pause is None, "the single route never stops the lane"
    assert step.refuse_space is None
    if step.settled:
        assert set(step.settled) == set(batch.cells)
        return "done" if set(step.settled.values()) == {SUCCEEDED} else "failed"
    if step.then is BatchState.CHECK:
        return "verify" if step.fields.get("verifying") else _late(step)
    assert step.then is BatchState.RESEND
    if step.split:
        return "split"
    if step.renew_token:
        return "renew"
    return "resend later" if step.delay else "resend uncounted" if step.fields["tries"] == batch.tries - 1 else "?"


def _late(step):
    assert step.fields["stray"] == 1
    assert step.delay > 0, "its cells stay closed while a late request may be executed"
    return {0: "read back", REFUSED_FOR: "read back, off for long"}[step.singles_off]


@pytest.mark.parametrize(
    ("fields", "verify", "place"), [(1, False, 2), (1, True, 3), (3, False, 4)], ids=["plain", "verified", "several"]
)
@pytest.mark.parametrize("case", CASES, ids=CASES)
def test_every_answer_has_its_step(case, fields, verify, place):
    given, record, *_ = CASES[case]
    batch = update(fields, verify=verify, **record)
    assert word(after_single(batch, given, POLICY), batch) == CASES[case][place]


def test_every_class_of_error_is_in_the_table():
    seen = {type(given) for given, *_ in CASES.values()}
    kinds = {kind for kind in RemoteError.__subclasses__() if kind.__name__ != "Withheld"}  # that is "not sent"
    assert kinds <= seen


def test_a_refused_field_fails_with_its_own_code():
    step = after_single(update(), REFUSED, POLICY)
    [outcome] = step.settled.values()
    assert (outcome.code, "bad option" in outcome.reason) == ("20050", True)


@pytest.mark.parametrize("error", [given for given, *_ in CASES.values() if isinstance(given, RemoteError)], ids=repr)
@pytest.mark.parametrize("fields", [1, 2])
def test_nothing_fails_for_what_may_be_the_routes_own_reason(error, fields):
    """Only a listed refusal of a single field is the field's own."""
    step = after_single(update(fields), error, POLICY)
    is_own = isinstance(error, BatchRefused) and error.is_listed and error.code == 20050 and fields == 1
    assert bool(getattr(step, "settled", {})) == is_own


def test_a_verification_forgets_the_looks_of_the_send_before():
    step = after_single(update(2, looks=3, unproven="7"), WRITTEN, POLICY)
    assert (step.fields["looks"], step.fields["unproven"]) == (0, "")


def test_waits_grow_with_the_attempts():
    delays = [
        after_single(update(tries=tries), answer(NotExecuted), make_policy(max_attempts=9)).delay for tries in (1, 2, 3)
    ]
    assert delays == sorted(delays)
    assert delays[0] < delays[-1]


# --- reading an update back whose answer proved nothing


def checked(shown, now=2.0, **record):
    """`shown`: of the columns 1, 2, 3."""
    one = update(3, **{"verifying": 1, "now": after_seconds(now), **record})
    step, back = after_single_check(one, dict(zip(one.cells, shown, strict=True)), make_policy())
    return {cell.column for cell in step.settled} if step else set(), back, step


def test_what_the_read_proves_has_succeeded_and_what_it_denies_is_read_again():
    settled, back, step = checked([True, False, True])
    assert (settled, back, step.then) == ({1, 3}, None, BatchState.CHECK)


@pytest.mark.parametrize(("now", "shown"), [(2.0, True), (11.0, False), (61.0, False)])
def test_what_cannot_be_compared_goes_by_a_batch_and_is_never_called_done(now, shown):
    """Its job names each item. Teams report fields that were dropped although the answer said success."""
    settled, back, _ = checked([True, None, shown], now=now)
    assert settled == ({1, 3} if shown else {1})
    assert back == GivenBack(bar=True)


def test_what_a_read_denies_is_not_given_back_with_what_cannot_be_compared_while_reads_may_be_behind():
    """It may be written: sent again, its condition would find its own value, and fail as changed meanwhile."""
    settled, back, step = checked([True, None, False], now=9.0)
    assert (settled, back, step.then) == ({1}, None, BatchState.CHECK)


def test_what_never_shows_goes_by_a_batch():
    _, back, step = checked([False, False, False], now=61.0)
    assert (step, back) == (None, GivenBack(bar=True))


def test_a_lost_answer_is_not_given_back_while_a_late_request_may_be_executed():
    for now in (2.0, 79.0):
        _, back, step = checked([None, None, None], now=now, verifying="", stray=1)
        assert (back, step.then) == (None, BatchState.CHECK)


@pytest.mark.parametrize("error", [LaneStopped("no", code=10301), SpaceRefused("no"), BatchRefused("no", code=20029)])
@pytest.mark.parametrize("stray", [False, True])
def test_a_refused_read_neither_stops_the_lane_nor_proves_anything(error, stray):
    record = {"stray": 1} if stray else {"verifying": 1}
    one = update(3, now=after_seconds(2.0), **record)
    step, back = after_single_check_failed(one, error, make_policy())
    assert (back is None) == stray
    assert not (step and (step.pause or step.settled))
    if step and step.singles_off:
        assert step.fields[BatchField.WHY] == str(error), "people read why the route is off"
