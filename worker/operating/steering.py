"""Retry what failed. The command and the status page do it here."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from worker.cli.errors import WrongUseError
from worker.cli.session import Session
from worker.ledger.history import History
from worker.operating.again import Again
from worker.operating.meanings import Meaning, Meanings, as_written
from worker.operating.retry_decision import Decision, Failure, Why, chosen, decide, new_intent
from worker.operating.retrying import Retry


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

    def note(failure: Failure, new_id: str) -> None:
        session.lane(failure.lane).note_retry(failure.number, new_id)

    with session.client() as client:
        return Again(_reader(session), client, note, even_if_overtaken=even_if_overtaken).enqueue(agreed)


def _reader(session: Session) -> Retry:
    return Retry(session.reading, history_of(session), meaning_of(session))


def history_of(session: Session) -> History:
    return History(session.redis, session.settings.key_prefix, tuple(session.lanes))


def meaning_of(session: Session) -> Meaning:
    if session.settings.catalogue == "off":
        return as_written
    return Meanings(session.redis, {name: lane.key for name, lane in session.lanes.items()}).meaning


def left_alone(decisions: Sequence[Decision]) -> dict[Why, list[int]]:
    left: dict[Why, list[int]] = {}
    for decision in decisions:
        for why, items in decision.left.items():
            left.setdefault(why, []).extend(items)
    return left


def retried_items(decisions: Sequence[Decision]) -> int:
    return sum(len(one.items) for one in decisions)


def new_intents(decisions: Sequence[Decision]) -> list[tuple[str, int]]:
    """(id, number of items) of what was enqueued."""
    return [(new_intent(one.failure, one.items).intent_id, len(one.items)) for one in decisions if one.items]


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
        return _with_failures(session, names, since_at or 0.0)
    named = _of_intents(session, intents, names)
    if since_at is None:
        return named
    recent = set(_with_failures(session, names, since_at))
    return [place for place in named if place in recent]


def _of_intents(session: Session, intents: Sequence[str], names: Sequence[str]) -> list[tuple[str, int]]:
    places: list[tuple[str, int]] = []
    for intent_id, entry in zip(intents, session.reading.entries(intents), strict=True):
        if entry is None:
            raise WrongUseError(f"no intent {intent_id}: it was never enqueued here, or was forgotten")
        if entry.lane is not None and entry.lane in names:
            places.append((entry.lane, entry.number))
    return list(dict.fromkeys(places))


def _with_failures(session: Session, names: Sequence[str], since_at: float) -> list[tuple[str, int]]:
    pages = ((name, page) for name in names for page in session.reading.failed(name, since_at))
    return [(name, number) for name, page in pages for number, _ in page]
