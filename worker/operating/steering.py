"""What an operator does to the work: cancel an intent, retry what failed. The command and the status page do it here."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from feishu_batch import IntentView
from feishu_batch.results import IntentState
from worker.cli.errors import UnreachableError, WrongUseError
from worker.cli.session import Session
from worker.ledger.history import History
from worker.ledger.lane import Lane
from worker.ledger.records import Outcome, OutcomeKind
from worker.operating.again import Again
from worker.operating.retry_decision import Decision, Why, chosen, decide, new_intent
from worker.operating.retrying import Retry

TAKEN_IN_WITHIN = 10.0  # seconds: a running worker takes an intent out of the inbox much faster
MOST = 100_000  # failed intents that are looked at


@dataclass(frozen=True, slots=True)
class Canceled:
    """`ended`: how the intent had ended before, so that there was nothing to cancel."""

    ended: IntentState | None
    items: int = 0
    in_flight: int = 0  # in a request that goes on


def cancel_intent(session: Session, intent_id: str) -> Canceled:
    """End what is still pending of it. Raises `WrongUseError` for an unknown one, `UnreachableError` if nobody takes it in."""
    view = _taken_in(session, intent_id)
    if view.state.is_final or view.lane is None:
        return Canceled(view.state)
    lane = session.lanes.get(view.lane) or Lane(session.redis, session.settings.key_prefix, view.lane)
    lane.end_pending(view.number, Outcome(OutcomeKind.CANCELED))
    after = _view(session, intent_id).progress
    return Canceled(None, after.canceled - view.progress.canceled, after.in_flight)


def _taken_in(session: Session, intent_id: str) -> IntentView:
    """Only a lane can cancel: give the worker a moment to take the intent out of the inbox."""
    deadline = time.monotonic() + TAKEN_IN_WITHIN
    while (view := _view(session, intent_id)).lane is None:
        if time.monotonic() > deadline:
            raise UnreachableError(
                f"{intent_id} is still in the inbox, and no worker takes it in: start `feishu-batch up`, then cancel again"
            )
        time.sleep(0.1)
    return view


def _view(session: Session, intent_id: str) -> IntentView:
    with session.client() as client:
        try:
            return client.handle(intent_id).view()
        except LookupError as error:
            raise WrongUseError(str(error)) from None


@dataclass(frozen=True, slots=True)
class Selection:
    """Which failed items to retry: each part that is given narrows the others down."""

    intents: tuple[str, ...] = ()
    reason: str | None = None  # the code of the failure
    field: str | None = None
    since_at: float | None = None  # unix seconds
    lane: str | None = None
    even_if_overtaken: bool = False


def retry_decisions(session: Session, what: Selection) -> list[Decision]:
    """What of it may be sent once more, and why the rest may not. Reads only."""
    names = [one.name for one in session.chosen_lanes(what.lane)]
    reader = _reader(session)
    numbers = _selected(session, what.intents, names, what.since_at)
    found = [reader.failure(name, number, what.reason) for name, number in numbers]
    failures = list(chosen([failure for failure in found if failure], what.field))
    past = reader.past(failures)
    return [decide(one, past, time.time(), even_if_overtaken=what.even_if_overtaken) for one in failures]


def enqueue_again(session: Session, agreed: Sequence[Decision], *, even_if_overtaken: bool = False) -> list[Decision]:
    """What was agreed to, less what may not be retried any more. Returns what was done: what dropped out stands in `left`."""
    with session.client() as client:
        return Again(_reader(session), client, even_if_overtaken=even_if_overtaken).enqueue(agreed)


def _reader(session: Session) -> Retry:
    return Retry(session.reading, History(session.redis, session.settings.key_prefix, tuple(session.lanes)))


def left_alone(decisions: Sequence[Decision]) -> dict[Why, list[int]]:
    left: dict[Why, list[int]] = {}
    for decision in decisions:
        for why, items in decision.left.items():
            left.setdefault(why, []).extend(items)
    return left


def retried_items(decisions: Sequence[Decision]) -> int:
    return sum(len(one.items) for one in decisions)


def document(decisions: Sequence[Decision], *, dry_run: bool) -> dict[str, Any]:
    """The documented shape of `feishu-batch retry --json`."""
    return {
        "dry_run": dry_run,
        "items": retried_items(decisions),
        "left": {why.name.lower(): len(items) for why, items in left_alone(decisions).items()},
        "intents": [_decision_json(one) for one in decisions],
    }


def _decision_json(decision: Decision) -> Mapping[str, Any]:
    made = new_intent(decision.failure, decision.items) if decision.items else None
    return {
        "retry_of": decision.failure.intent_id,
        "lane": decision.failure.lane,
        "intent_id": made.intent_id if made else None,
        "items": list(decision.items),
        "left": {why.name.lower(): list(items) for why, items in decision.left.items()},
    }


def _selected(
    session: Session, intents: Sequence[str], names: Sequence[str], since_at: float | None
) -> list[tuple[str, int]]:
    """Lane and number. Without a time, named intents need not have ended."""
    if not intents:
        return _ended(session, names, since_at or 0.0)
    named = _of_intents(session, intents, names)
    if since_at is None:
        return named
    recent = set(_ended(session, names, since_at))
    return [place for place in named if place in recent]


def _of_intents(session: Session, intents: Sequence[str], names: Sequence[str]) -> list[tuple[str, int]]:
    places: list[tuple[str, int]] = []
    for intent_id, entry in zip(intents, session.reading.entries(intents), strict=True):
        if entry is None:
            raise WrongUseError(f"no intent {intent_id}: it was never enqueued here, or was forgotten")
        if entry.lane is not None and entry.lane in names:
            places.append((entry.lane, entry.number))
    return list(dict.fromkeys(places))


def _ended(session: Session, names: Sequence[str], since_at: float) -> list[tuple[str, int]]:
    return [(name, number) for name in names for number in session.reading.ended_badly(name, since_at, MOST)]
