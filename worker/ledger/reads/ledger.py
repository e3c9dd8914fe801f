"""Reads of the ledger for people who look at it. Nothing here writes, and no step of the work depends on it."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from redis import Redis

from feishu_batch.keys import InboxKeys, IntentKeys, RecordField, SetField
from feishu_batch.outcomes import FIELDS
from feishu_batch.retries import RetryResults
from feishu_batch.set_reads import page_of_set
from worker.ledger.clock import CLOCK_FIELDS, read_clock
from worker.ledger.fields import BatchField, GroupField, SlotField
from worker.ledger.keys import LaneKeys
from worker.ledger.routes import BATCH

T = TypeVar("T")
CHUNK = 500  # commands or fields per round trip: the server answers others in between
SAMPLE = 200  # groups
PAGE = 5000  # numbers that are read at once
COUNTS = (
    RecordField.INTENT_ID,
    RecordField.TOTAL,
    RecordField.OPEN,
    RecordField.IN_FLIGHT,
    RecordField.RECORDED,
    *FIELDS,
    RecordField.REFUSED,
    RecordField.REQUESTS,
    RecordField.COMPLETED_AT_MS,
    RecordField.RETRIED_AS,
)


MOST_PLACES = 100  # whose waiting looks are counted


@dataclass(frozen=True, slots=True)
class Entry:
    """What the hash of intent ids knows of one."""

    number: int
    digest: str  # of its content
    lane: str | None  # None: still in the inbox


@dataclass(frozen=True, slots=True)
class CellLine:
    """Who stands at a cell: its owner (``<number>`` or ``<number>@<batch>``) and the numbers behind it, oldest first."""

    owner: str | None
    behind: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LaneFigures:
    """Of one moment only approximately. Times are unix seconds."""

    now: float
    ready: tuple[int, ...]  # changes that may be sent now, per group
    ready_groups: int  # may be more than were counted in `ready`
    single_groups: int  # on the single route, beside `ready_groups`
    single_changes: int  # of these; at least so many, if there are very many groups
    to_look_at: int  # items whose cells are read before their changes are sent
    waiting_since: float | None  # the group that has been waiting longest for its turn
    slots_taken: int
    recent: tuple[str, ...]  # JSON of the last batches, newest first


class LedgerReads:
    def __init__(self, redis: Redis, prefix: str) -> None:
        self._redis: Any = redis
        self._inbox = InboxKeys(prefix)
        self._prefix = prefix

    # --- intents --------------------------------------------------------------------------------------------------

    def entries(self, intent_ids: Sequence[str]) -> list[Entry | None]:
        found: list[Entry | None] = []
        for part in _chunks(intent_ids):
            found += [_entry(text) for text in self._redis.hmget(self._inbox.ids, part)]
        return found

    def newest_number(self) -> int:
        """The last number that an intent got; 0 if there was none."""
        return int(self._redis.get(self._inbox.sequence) or 0)

    def sets(self, limit: int) -> list[str]:
        """Ids of change sets, those that grew last first."""
        found: list[str] = self._redis.zrange(self._inbox.sets, 0, limit - 1, desc=True)
        return found

    def ids_of_set(self, change_set: str) -> Iterator[list[str]]:
        """The intents of a change set, in the order of enqueueing, some at a time; none if it is unknown."""
        last = 0
        while page := page_of_set(self._redis, self._prefix, change_set, last, CHUNK):
            yield [intent_id for _, intent_id in page]
            last = page[-1][0]

    def numbers_of_set(self, change_set: str) -> list[int]:
        """The numbers of its intents, oldest first."""
        found: list[int] = []
        while page := page_of_set(self._redis, self._prefix, change_set, found[-1] if found else 0, CHUNK):
            found += [number for number, _ in page]
        return found

    def set_name(self, lane: str, set_number: str | None) -> str | None:
        """The id of the change set that an intent's record names."""
        if set_number is None:
            return None
        name: str | None = self._redis.hget(self._lane(lane).set(set_number), SetField.NAME)
        return name

    def inbox_payload(self, number: int) -> str | None:
        """The intent as JSON, or None when it has left the inbox."""
        position = f"{number}-0"
        entries = self._redis.xrange(self._inbox.inbox, position, position)
        return entries[0][1]["i"] if entries else None

    def record(self, place: IntentKeys) -> dict[str, str]:
        """All of the record; large for large intents."""
        record: dict[str, str] = self._redis.hgetall(place.record)
        return record

    def counts(self, places: Sequence[IntentKeys]) -> list[dict[str, str]]:
        """The counters of each intent's record, empty for one that was forgotten. Absent fields are left out."""
        return self.fields(places, COUNTS)

    def fields(self, places: Sequence[IntentKeys], names: Sequence[str]) -> list[dict[str, str]]:
        """These fields of each intent's record, less the absent ones; empty for one that was forgotten."""
        found: list[dict[str, str]] = []
        for part in _chunks(places):
            pipe = self._redis.pipeline(transaction=False)
            for place in part:
                pipe.hmget(place.record, names)
            found += [_present(zip(names, row, strict=True)) for row in pipe.execute()]
        return found

    def outcomes(self, places: Sequence[IntentKeys]) -> list[dict[str, str]]:
        found: list[dict[str, str]] = []
        for part in _chunks(places):
            pipe = self._redis.pipeline(transaction=False)
            for place in part:
                pipe.hgetall(place.outcomes)
            found += pipe.execute()
        return found

    def before(self, place: IntentKeys) -> dict[str, str]:
        """Item id → JSON of [type, value] before the change; of an intent with keep_before."""
        found: dict[str, str] = self._redis.hgetall(place.before)
        return found

    def count_before(self, places: Sequence[IntentKeys]) -> int:
        """Values from before that are kept of these intents."""
        pipe = self._redis.pipeline(transaction=False)
        for place in places:
            pipe.hlen(place.before)
        return sum(pipe.execute()) if places else 0

    def outcome(self, place: IntentKeys, item: str) -> str | None:
        """None: not ended, or succeeded."""
        found: str | None = self._redis.hget(place.outcomes, item)
        return found

    def items(self, place: IntentKeys) -> list[str]:
        """The item ids of an intent in the producer's order."""
        text = self._redis.hget(place.record, RecordField.ITEMS)
        return text.split(",") if text else []

    def retries(self, ids: Iterable[str]) -> RetryResults:
        """The results of these intents, which retry others, and of their retries."""
        return RetryResults(self._redis, self._prefix, ids)

    def failed(self, lane: str, since: float) -> Iterator[list[tuple[int, int]]]:
        """Intents of which an item failed since then, open ones too: (number, when the newest of them failed (ms)), newest first.

        Some thousand at a time. What fails while they are read is left to the next look.
        """
        key, since_ms = self._lane(lane).failures, "-inf" if since <= 0 else round(since * 1000)
        until, seen = "+inf", set[str]()
        while True:
            page = self._redis.zrange(
                key, until, since_ms, byscore=True, desc=True, offset=0, num=PAGE + len(seen), withscores=True
            )
            found = [(number, int(moment)) for number, moment in page if number not in seen]
            if not found:
                return
            yield [(int(number), moment) for number, moment in found]
            last = found[-1][1]
            until = str(last)
            seen = {number for number, moment in page if int(moment) == last}

    # --- changes --------------------------------------------------------------------------------------------------

    def group(self, lane: str, group: str) -> dict[str, str]:
        fields: dict[str, str] = self._redis.hgetall(self._lane(lane).group(group))
        return fields

    def specs(self, lane: str, groups: Collection[str]) -> dict[str, str]:
        """JSON of a `GroupSpec` by group; without those that were forgotten."""
        found: dict[str, str | None] = {}
        for part in _chunks(list(groups)):
            pipe = self._redis.pipeline(transaction=False)
            for group in part:
                pipe.hget(self._lane(lane).group(group), GroupField.SPEC)
            found |= zip(part, pipe.execute(), strict=True)
        return _present(found.items())

    def waiting_groups(self, lane: str, limit: int) -> list[str]:
        """Groups with ready changes, those that wait longest first."""
        found: list[str] = self._redis.zrange(self._lane(lane).route(BATCH).since, 0, limit - 1)
        return found

    def column(self, lane: str, name: str) -> str | None:
        """The number of the column ``<project_key> <field_key>``; None: nothing was recorded for it."""
        number: str | None = self._redis.hget(self._lane(lane).columns, name)
        return number

    def lines(self, lane: str, column: str, items: Sequence[str]) -> dict[str, CellLine]:
        """Who stands at each item's cell. Owner and line of one cell are of the same moment."""
        found: dict[str, CellLine] = {}
        for part in _chunks(items):
            pipe = self._redis.pipeline(transaction=True)
            pipe.hmget(self._lane(lane).cells, [f"{column}:{item}" for item in part])
            for item in part:
                pipe.lrange(self._lane(lane).behind(f"{column}:{item}"), 0, -1)
            owners, *lines = pipe.execute()
            found |= {i: CellLine(o, tuple(line)) for i, o, line in zip(part, owners, lines, strict=True)}
        return found

    def sharers(self, lane: str, names: Sequence[str]) -> dict[str, frozenset[str]]:
        """`names`: ``<number>:<column>:<item>``. The numbers of the intents that share each of these changes."""
        found: dict[str, frozenset[str]] = {}
        for part in _chunks(names):
            answers = self._redis.hmget(self._lane(lane).shared, part)
            found |= {name: frozenset(text.split(",")) for name, text in zip(part, answers, strict=True) if text}
        return found

    def gave_way(self, place: IntentKeys, column: str, holders: Mapping[str, str]) -> set[str]:
        """`holders`: item → a change of its cell. Items of which the intent's change, or one that it shares, gave way to that."""
        own: set[str] = set()
        shared: dict[str, str] = {}  # name of the change that it may share → item
        for part in _chunks(list(holders.items())):
            pipe = self._redis.pipeline(transaction=False)
            for item, holder in part:
                stack = self._lane(place.lane).under(f"{holder}:{column}:{item}")
                pipe.zrange(stack, place.number, "-inf", byscore=True, desc=True, offset=0, num=1)
            for (item, _), found in zip(part, pipe.execute(), strict=True):
                if found and int(found[0]) == place.number:
                    own.add(item)
                elif found:
                    shared[f"{found[0]}:{column}:{item}"] = item
        sharers = self.sharers(place.lane, list(shared))
        return own | {item for name, item in shared.items() if str(place.number) in sharers.get(name, ())}

    def jobs_of(self, lane: str, batches: Iterable[str]) -> dict[str, tuple[str, str | None]]:
        """Batch → (its state, the job's id once it is accepted)."""
        found: dict[str, tuple[str, str | None]] = {}
        for part in _chunks(list(batches)):
            pipe = self._redis.pipeline(transaction=False)
            for batch in part:
                pipe.hmget(self._lane(lane).batch(batch), BatchField.STATE, BatchField.JOB)
            rows = zip(part, pipe.execute(), strict=True)
            found |= {batch: (state, task or None) for batch, (state, task) in rows if state}
        return found

    # --- inbox and lanes ------------------------------------------------------------------------------------------

    def inbox(self) -> tuple[int, float | None, float]:
        """(entries, when the oldest was enqueued, now)."""
        pipe = self._redis.pipeline(transaction=False)
        pipe.xlen(self._inbox.inbox).xrange(self._inbox.inbox, count=1).time()
        length, first, (seconds, micros) = pipe.execute()
        return length, int(first[0][1]["t"]) / 1000 if first else None, seconds + micros / 1e6

    def figures(self, lane: str, most_groups: int) -> LaneFigures:
        """At most so many ready groups are counted one by one."""
        keys = self._lane(lane)
        route = keys.route(BATCH)
        pipe = self._redis.pipeline(transaction=False)
        pipe.time().hmget(keys.clock, CLOCK_FIELDS)
        for zset in (route.full, route.part):
            pipe.zcard(zset).zrange(zset, 0, most_groups - 1)
        pipe.zrange(route.since, 0, 0, withscores=True).hget(route.slot, SlotField.ID)
        pipe.lrange(keys.recent, 0, -1).zrange(keys.looks, 0, MOST_PLACES - 1)
        pipe.hlen(keys.singles.sizes)
        time, clock, full, full_groups, part, part_groups, since, slots, recent, places, singles = pipe.execute()
        now, wall = read_clock(time, clock)
        return LaneFigures(
            now=wall,
            ready=self._sizes([keys.ready(group) for group in [*full_groups, *part_groups][:most_groups]]),
            single_groups=singles,
            single_changes=self._single_changes(keys, singles, most_groups),
            to_look_at=sum(self._sizes([keys.look(place) for place in places])),
            ready_groups=full + part,
            waiting_since=since[0][1] / 1000 - (now - wall) if since else None,
            slots_taken=int(slots or 0),
            recent=tuple(recent),
        )

    def _single_changes(self, keys: LaneKeys, groups: int, most: int) -> int:
        if not groups or groups > most:
            return groups
        return sum(map(int, self._redis.hvals(keys.singles.sizes)))

    def share_for_singles(self, lane: str) -> float:
        """Of the groups that wait for the batch route with few changes, those that single updates may write: a sample."""
        keys = self._lane(lane)
        groups = self._redis.zrange(keys.route(BATCH).part, 0, SAMPLE - 1)
        pipe = self._redis.pipeline(transaction=False)
        for group in groups:
            pipe.hexists(keys.group(group), GroupField.SINGLE)
        return sum(pipe.execute()) / len(groups) if groups else 0.0

    def _sizes(self, zsets: Sequence[str]) -> tuple[int, ...]:
        counts: list[int] = []
        for part in _chunks(zsets):
            pipe = self._redis.pipeline(transaction=False)
            for zset in part:
                pipe.zcard(zset)
            counts += pipe.execute()
        return tuple(counts)

    def place(self, entry: Entry) -> IntentKeys | None:
        """Where the intent's record is; None while it is in the inbox."""
        return IntentKeys(self._prefix, entry.lane, entry.number) if entry.lane else None

    def place_of(self, lane: str, number: int) -> IntentKeys:
        return IntentKeys(self._prefix, lane, number)

    def _lane(self, lane: str) -> LaneKeys:
        return LaneKeys(self._prefix, lane)


def _entry(text: str | None) -> Entry | None:
    if text is None:
        return None
    number, digest, *lane = text.split(":", 2)
    return Entry(int(number), digest, lane[0] if lane else None)


def _present(pairs: Iterable[tuple[str, str | None]]) -> dict[str, str]:
    return {name: value for name, value in pairs if value is not None}


def _chunks(things: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(things), CHUNK):
        yield things[start : start + CHUNK]
