"""The results of retried items: the records of their intents name the new intents."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from redis import Redis

from feishu_batch.keys import InboxKeys, IntentKeys, RecordField
from feishu_batch.outcomes import FIELDS, holds_value
from feishu_batch.results import IntentState, entry_of, view_of_record

MOST_ROUNDS = 20  # of retries of retries
CHUNK = 500  # commands or fields per round trip
_COUNTS = (
    RecordField.TOTAL,
    RecordField.OPEN,
    RecordField.IN_FLIGHT,
    RecordField.RECORDED,
    *FIELDS,
    RecordField.REFUSED,
    RecordField.RETRIED_AS,
    RecordField.ITEMS,
)


@dataclass(frozen=True, slots=True)
class RetryResult:
    """A retry. `succeeded`: its succeeded items, after it has ended."""

    state: IntentState
    succeeded: frozenset[str] = frozenset()
    retried_as: tuple[str, ...] = ()


def retries_of(record: Mapping[str, str]) -> tuple[str, ...]:
    """Ids, oldest first; the records of some may have expired."""
    return tuple(filter(None, record.get(RecordField.RETRIED_AS, "").split(",")))


class RetryResults:
    """The retries of any number of intents, read in a few round trips."""

    def __init__(self, redis: Redis, prefix: str, ids: Iterable[str]) -> None:
        """`redis` decodes responses."""
        self._redis: Any = redis
        self._prefix = prefix
        self._known: dict[str, RetryResult] = {}
        wanted = list(dict.fromkeys(ids))
        for _ in range(MOST_ROUNDS):
            if not wanted:
                break
            found = {id_: one for part in _chunks(wanted) for id_, one in self._read(part).items()}
            self._known |= found
            later = dict.fromkeys(id_ for one in found.values() for id_ in one.retried_as)
            wanted = [id_ for id_ in later if id_ not in self._known]

    def states(self, ids: Sequence[str]) -> list[tuple[str, IntentState]]:
        """(id, state) of the known ones."""
        return [(id_, self._known[id_].state) for id_ in ids if id_ in self._known]

    def succeeded(self, ids: Sequence[str]) -> set[str]:
        """Items that succeeded in one of these intents, or in a retry of it."""
        items: set[str] = set()
        seen: set[str] = set()
        ahead = list(ids)
        while ahead:
            id_ = ahead.pop()
            if id_ in self._known and id_ not in seen:
                seen.add(id_)
                items |= self._known[id_].succeeded
                ahead += self._known[id_].retried_as
        return items

    def _read(self, ids: Sequence[str]) -> dict[str, RetryResult]:
        places = places_of(self._redis, self._prefix, ids)
        found = {id_: RetryResult(IntentState.QUEUED) for id_, place in places.items() if place is None}
        recorded = {id_: place for id_, place in places.items() if place}
        pipe = self._redis.pipeline(transaction=False)
        for place in recorded.values():
            pipe.hmget(place.record, _COUNTS)
            pipe.hgetall(place.outcomes)
        answers = iter(pipe.execute())
        for id_, place in recorded.items():
            row, outcomes = next(answers), next(answers)
            record = {name: value for name, value in zip(_COUNTS, row, strict=True) if value is not None}
            if record:  # not forgotten meanwhile
                found[id_] = _retried(id_, place, record, outcomes)
        return found


def _retried(intent_id: str, place: IntentKeys, record: Mapping[str, str], outcomes: Mapping[str, str]) -> RetryResult:
    state = view_of_record(intent_id, place, record, {}).state
    succeeded: frozenset[str] = frozenset()
    if state.is_final and RecordField.REFUSED not in record:
        items = record.get(RecordField.ITEMS, "").split(",")
        succeeded = frozenset(item for item in items if holds_value(outcomes.get(item)))
    return RetryResult(state, succeeded, retries_of(record))


def places_of(redis: Redis, prefix: str, intent_ids: Sequence[str]) -> dict[str, IntentKeys | None]:
    """Of the known ones; None: in the inbox. One round trip."""
    entries: Any = redis.hmget(InboxKeys(prefix).ids, list(intent_ids)) if intent_ids else []
    known = {one: entry_of(entry) for one, entry in zip(intent_ids, entries, strict=True) if entry is not None}
    return {one: None if lane is None else IntentKeys(prefix, lane, number) for one, (number, lane) in known.items()}


def _chunks(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), CHUNK):
        yield ids[start : start + CHUNK]
