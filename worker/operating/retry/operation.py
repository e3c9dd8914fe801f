"""Retry failed items, for the command and the status page."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from feishu_batch.keys import RecordField
from worker.operating.change_sets import set_counts
from worker.operating.errors import WrongUseError
from worker.operating.retry.decision import Failure, RetryDecision, SkipReason, chosen, decide, new_intent
from worker.operating.retry.enqueue import RetryEnqueuer
from worker.operating.retry.sources import key_in, retry_reader
from worker.operating.session import Session


@dataclass(frozen=True, slots=True)
class Selection:
    """Which failed items to retry: the given parts are combined with "and"."""

    intents: tuple[str, ...] = ()
    reason: str | None = None  # the code of the failure
    field: str | None = None
    since_at: float | None = None  # unix seconds
    lane: str | None = None
    even_if_overtaken: bool = False
    change_set: str | None = None


def retry_decisions(session: Session, what: Selection) -> list[RetryDecision]:
    """The items that may be retried, and why the others may not. Reads only."""
    names = [one.name for one in session.chosen_lanes(what.lane)]
    reader = retry_reader(session)
    numbers = _selected(session, what, names)
    found = [reader.failure(name, number, what.reason) for name, number in numbers]
    failures = list(chosen([failure for failure in found if failure], what.field, key_in(session)))
    past = reader.past(failures)
    return [decide(one, past, time.time(), even_if_overtaken=what.even_if_overtaken) for one in failures]


def enqueue_again(
    session: Session, agreed: Sequence[RetryDecision], *, even_if_overtaken: bool = False
) -> list[RetryDecision]:
    """Enqueue the confirmed items, except those that may no longer be retried; these are in `left` of the returned decisions."""

    def note(failure: Failure, new_id: str) -> None:
        session.lane(failure.lane).note_retry(failure.number, new_id)

    with session.conditional_inbox() as inbox:
        return RetryEnqueuer(retry_reader(session), inbox, note, even_if_overtaken=even_if_overtaken).enqueue(agreed)


def skipped_items(decisions: Sequence[RetryDecision]) -> dict[SkipReason, list[int]]:
    left: dict[SkipReason, list[int]] = {}
    for decision in decisions:
        for why, items in decision.left.items():
            left.setdefault(why, []).extend(items)
    return left


def retried_items(decisions: Sequence[RetryDecision]) -> int:
    return sum(len(one.items) for one in decisions)


def new_intents(decisions: Sequence[RetryDecision]) -> list[tuple[str, int]]:
    """(id, number of items) of the enqueued intents."""
    return [(new_intent(one.failure, one.items).intent_id, len(one.items)) for one in decisions if one.items]


def document(decisions: Sequence[RetryDecision], *, dry_run: bool) -> dict[str, Any]:
    """The documented shape of `feishu-batch retry --json`."""
    return {
        "dry_run": dry_run,
        "items": retried_items(decisions),
        "skipped": {why.name.lower(): len(items) for why, items in skipped_items(decisions).items()},
        "intents": [_decision_json(one) for one in decisions],
    }


def _decision_json(decision: RetryDecision) -> Mapping[str, Any]:
    made = new_intent(decision.failure, decision.items) if decision.items else None
    return {
        "retry_of": decision.failure.intent_id,
        "lane": decision.failure.lane,
        "intent_id": made.intent_id if made else None,
        "items": list(decision.items),
        "skipped": {why.name.lower(): list(items) for why, items in decision.left.items()},
    }


def _selected(session: Session, what: Selection, names: Sequence[str]) -> list[tuple[str, int]]:
    """Lane and number. Without a time, named intents need not have ended."""
    if what.change_set is not None:
        named = list(_of_set(session, what.change_set, names))
    elif what.intents:
        named = _of_intents(session, what.intents, names)
    else:
        return _with_failures(session, names, what.since_at or 0.0)
    if what.since_at is None:
        return named
    recent = set(_with_failures(session, names, what.since_at))
    return [place for place in named if place in recent]


def _of_intents(session: Session, intents: Sequence[str], names: Sequence[str]) -> list[tuple[str, int]]:
    places: list[tuple[str, int]] = []
    for intent_id, entry in zip(intents, session.reads.entries(intents), strict=True):
        if entry is None:
            raise WrongUseError(
                f"no intent {intent_id}: it was never enqueued here, or it ended so long ago that its record has expired"
            )
        if entry.lane is not None and entry.lane in names:
            places.append((entry.lane, entry.number))
    return list(dict.fromkeys(places))


def _of_set(session: Session, change_set: str, names: Sequence[str]) -> Iterator[tuple[str, int]]:
    """The intents of the set of which an item failed. Raises `WrongUseError` for an unknown set."""
    set_counts(session, change_set)
    for some in session.reads.ids_of_set(change_set):
        known = [entry for entry in session.reads.entries(some) if entry and entry.lane in names]
        places = [place for entry in known if (place := session.reads.place(entry))]
        for place, counts in zip(places, session.reads.fields(places, [RecordField.FAILED]), strict=True):
            if int(counts.get(RecordField.FAILED) or 0):
                yield place.lane, place.number


def _with_failures(session: Session, names: Sequence[str], since_at: float) -> list[tuple[str, int]]:
    pages = ((name, page) for name in names for page in session.reads.failed(name, since_at))
    return [(name, number) for name, page in pages for number, _ in page]
