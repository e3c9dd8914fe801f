"""Work in progress: unsettled batches, and the intents that the status page lists. Reads only."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from redis import Redis

from feishu_batch.keys import InboxKeys, IntentKeys, RecordField
from feishu_batch.results import IntentView, view_of_record
from worker.ledger.clock import CLOCK_FIELDS, read_clock
from worker.ledger.fields import BatchField, GroupField
from worker.ledger.keys import LaneKeys
from worker.ledger.reads.ledger import COUNTS
from worker.ledger.records import GroupSpec
from worker.ledger.routes import BATCH

CHUNK = 500  # commands per round trip
_BATCH = (
    *(BatchField.GROUP, BatchField.STATE, BatchField.PARTS, BatchField.SIZE, BatchField.CLAIMED_AT_MS),
    *(BatchField.TRIES, BatchField.POLLS, BatchField.JOB, BatchField.WHY),
)
_INTENT = (*COUNTS, RecordField.GROUP, RecordField.NOTE, RecordField.ENQUEUED_AT_MS)
_GROUPS_KNOWN = 5000  # what a group is never changes; so many are remembered


@dataclass(frozen=True, slots=True)
class Subject:
    """What a group changes, without the values."""

    project_key: str
    work_item_type_key: str
    field_key: str
    update_mode: str


@dataclass(frozen=True, slots=True)
class OpenBatch:
    """Times are unix seconds. `items`: changes that have no outcome yet; `size`: how many it was sent with."""

    number: int
    state: str
    group: str
    items: int
    size: int
    claimed_at: float
    next_at: float | None  # when it is looked at, or sent, again
    tries: int
    polls: int
    job: str | None
    why: str | None  # the last trouble
    intents: frozenset[int]


@dataclass(frozen=True, slots=True)
class IntentRow:
    view: IntentView
    group: str | None
    note: str | None
    enqueued_at: float | None  # unix seconds
    ended_at: float | None
    is_retried: bool  # failed items of it, that is


class Activity:
    def __init__(self, redis: Redis, prefix: str, lanes: Sequence[str]) -> None:
        self._redis: Any = redis
        self._prefix, self._lanes = prefix, tuple(lanes)
        self._inbox = InboxKeys(prefix)
        self._subjects: dict[tuple[str, str], Subject] = {}

    def open_batches(self, lane: str, limit: int) -> list[OpenBatch]:
        """At most so many of each kind: the one being sent, then those in trouble, then open jobs, the next to be asked for first."""
        pipe = self._redis.pipeline(transaction=False)
        pipe.hget(self._keys(lane).route(BATCH).lease, "batch")
        keys = self._keys(lane)
        for zset in (keys.due, keys.checks, keys.jobs):
            pipe.zrange(zset, 0, limit - 1, withscores=True)
        pipe.time().hmget(self._keys(lane).clock, CLOCK_FIELDS)
        sending, *waiting, time, clock = pipe.execute()
        now, wall = read_clock(time, clock)
        ahead = now - wall
        next_at: dict[str, float | None] = {sending: None} if sending else {}
        next_at |= {batch: score / 1000 - ahead for found in waiting for batch, score in found}
        pipe = self._redis.pipeline(transaction=False)
        for batch in next_at:
            pipe.hmget(self._keys(lane).batch(batch), _BATCH)
        rows = zip(next_at.items(), pipe.execute(), strict=True)
        return [
            _open_batch(batch, at, ahead, dict(zip(_BATCH, row, strict=True))) for (batch, at), row in rows if row[1]
        ]

    def newest(self, limit: int) -> list[tuple[str, int]]:
        """(lane, number) of the last so many numbers that were given, in whichever lane they may be; newest first."""
        last = int(self._redis.get(self._inbox.sequence) or 0)
        return [(lane, number) for number in range(last, max(0, last - limit), -1) for lane in self._lanes]

    def ended_last(self, lane: str, limit: int) -> list[tuple[str, int]]:
        pipe = self._redis.pipeline(transaction=False)
        for how in ("succeeded", "failed"):
            pipe.zrange(self._keys(lane).ended(how), 0, limit - 1, desc=True)
        return [(lane, int(number)) for found in pipe.execute() for number in found]

    def not_ended(self) -> int:
        """Intents that are known and have not ended, those in the inbox among them."""
        pipe = self._redis.pipeline(transaction=False)
        pipe.hlen(self._inbox.ids)
        for lane in self._lanes:
            pipe.zcard(self._keys(lane).ended("succeeded")).zcard(self._keys(lane).ended("failed"))
        known, *ended = map(int, pipe.execute())
        return max(0, known - sum(ended))

    def intents(self, places: Iterable[tuple[str, int]]) -> list[IntentRow]:
        """Those of (lane, number) that are recorded, in the same order."""
        wanted = [IntentKeys(self._prefix, lane, number) for lane, number in dict.fromkeys(places)]
        found: list[IntentRow] = []
        for start in range(0, len(wanted), CHUNK):
            part = wanted[start : start + CHUNK]
            pipe = self._redis.pipeline(transaction=False)
            for place in part:
                pipe.hmget(place.record, _INTENT)
            records = [dict(zip(_INTENT, row, strict=True)) for row in pipe.execute()]
            found += [
                _row(place, record)
                for place, record in zip(part, records, strict=True)
                if record[RecordField.INTENT_ID]
            ]
        return found

    def subjects(self, groups: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Subject]:
        """Of (lane, group). Their specs, with values of up to 64 KiB, are read once."""
        wanted = set(groups)
        if len(self._subjects) > _GROUPS_KNOWN:
            self._subjects.clear()
        unknown = [place for place in wanted if place not in self._subjects]
        pipe = self._redis.pipeline(transaction=False)
        for lane, group in unknown:
            pipe.hget(self._keys(lane).group(group), GroupField.SPEC)
        for place, text in zip(unknown, pipe.execute(), strict=True):
            if text:
                spec = GroupSpec.from_json(text)
                self._subjects[place] = Subject(
                    spec.project_key, spec.work_item_type_key, spec.field_key, spec.update_mode
                )
        return {place: self._subjects[place] for place in wanted if place in self._subjects}

    def _keys(self, lane: str) -> LaneKeys:
        return LaneKeys(self._prefix, lane)


def _open_batch(batch: str, next_at: float | None, ahead: float, record: dict[str, str | None]) -> OpenBatch:
    changes = [change for change in (record[BatchField.PARTS] or "").split(",") if change]
    return OpenBatch(
        number=int(batch),
        state=record[BatchField.STATE] or "",
        group=record[BatchField.GROUP] or "",
        items=len(changes),
        size=int(record[BatchField.SIZE] or 0),
        claimed_at=int(record[BatchField.CLAIMED_AT_MS] or 0) / 1000 - ahead,
        next_at=next_at,
        tries=int(record[BatchField.TRIES] or 1),
        polls=int(record[BatchField.POLLS] or 0),
        job=record[BatchField.JOB] or None,
        why=record[BatchField.WHY] or None,
        intents=frozenset(int(change.rpartition(":")[2]) for change in changes),
    )


def _row(place: IntentKeys, record: dict[str, str | None]) -> IntentRow:
    known = {name: value for name, value in record.items() if value is not None}
    view = view_of_record(known[RecordField.INTENT_ID], place, known, {})
    ended, enqueued = known.get(RecordField.COMPLETED_AT_MS), known.get(RecordField.ENQUEUED_AT_MS)
    return IntentRow(
        view=view,
        group=known.get(RecordField.GROUP),
        note=known.get(RecordField.NOTE),
        enqueued_at=int(enqueued) / 1000 if enqueued else None,
        ended_at=int(ended) / 1000 if ended else None,
        is_retried=RecordField.RETRIED_AS in known,
    )
