"""What task monitors such as Flower show of change sets and of single intents. Only the sweep uses it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from redis import Redis

from feishu_batch.keys import InboxKeys, IntentKeys, RecordField, group_key
from feishu_batch.outcomes import FIELDS
from worker.ledger.fields import GroupField
from worker.ledger.records import GroupSpec, RefusedIntent

CHUNK = 500  # numbers per round trip
_SEEN = (RecordField.INTENT_ID, RecordField.CHANGE_SET)
_COUNTS = (
    RecordField.INTENT_ID,
    RecordField.GROUP,
    RecordField.TOTAL,
    RecordField.OPEN,
    RecordField.IN_FLIGHT,
    RecordField.RECORDED,
    *FIELDS,
    RecordField.REFUSED,
    RecordField.AS_WRITTEN,
)


@dataclass(frozen=True, slots=True)
class Shown:
    """A task on display. `uuid`: its id there. `began_at`: unix seconds. `figures`: the last ones that were sent. `lane`: of an intent."""

    uuid: str
    began_at: float
    figures: str = ""
    lane: str = ""

    @classmethod
    def from_json(cls, text: str) -> Self:
        return cls(**json.loads(text))

    def to_json(self) -> str:
        return json.dumps(asdict(self))


@dataclass(frozen=True, slots=True)
class Marks:
    """Up to where intents (by number) and sets (by unix ms) were looked at, and the newest intent that is recorded with all before it."""

    intent: int
    grown: int
    newest: int


class ShownTasks:
    """`lanes`: their names."""

    def __init__(self, redis: Redis, prefix: str, lanes: Sequence[str]) -> None:
        self._redis: Any = redis
        self._prefix = prefix
        self._lanes = lanes
        self._keys = InboxKeys(prefix)

    def sets(self) -> dict[str, Shown]:
        return {name: Shown.from_json(text) for name, text in self._redis.hgetall(self._keys.shown_sets).items()}

    def intents(self) -> dict[int, Shown]:
        """By number."""
        found = self._redis.hgetall(self._keys.shown_intents)
        return {int(number): Shown.from_json(text) for number, text in found.items()}

    def marks(self) -> Marks:
        """At first, what is there already counts as looked at."""
        pipe = self._redis.pipeline(transaction=False)
        pipe.hmget(self._keys.shown_until, "intent", "set").get(self._keys.sequence).xrange(self._keys.inbox, count=1)
        pipe.time()
        (intent, grown), newest, first, (seconds, _) = pipe.execute()
        recorded = int(first[0][0].partition("-")[0]) - 1 if first else int(newest or 0)
        if intent is None:
            marks = Marks(recorded, seconds * 1000, recorded)
            self.note_marks(marks.intent, marks.grown)
            return marks
        return Marks(int(intent), int(grown), max(int(intent), recorded))

    def note_marks(self, intent: int, grown: int) -> None:
        self._redis.hset(self._keys.shown_until, mapping={"intent": intent, "set": grown})

    def note_sets(self, shown: Mapping[str, Shown | None]) -> None:
        self._note(self._keys.shown_sets, shown)

    def note_intents(self, shown: Mapping[int, Shown | None]) -> None:
        self._note(self._keys.shown_intents, {str(number): one for number, one in shown.items()})

    def _note(self, key: str, shown: Mapping[str, Shown | None]) -> None:
        """None: no longer on display."""
        if kept := {name: one.to_json() for name, one in shown.items() if one}:
            self._redis.hset(key, mapping=kept)
        if gone := [name for name, one in shown.items() if one is None]:
            self._redis.hdel(key, *gone)

    def grown_sets(self, after: int, most: int) -> list[tuple[str, int]]:
        """(id, unix ms when it grew last) of the newest of those that grew since `after`."""
        found = self._redis.zrange(
            self._keys.sets, "+inf", f"({after}", byscore=True, desc=True, offset=0, num=most, withscores=True
        )
        return [(name, int(at)) for name, at in found]

    def new_intents(self, after: int, newest: int) -> list[IntentKeys]:
        """Those that name no change set."""
        found: list[IntentKeys] = []
        for start in range(after + 1, newest + 1, CHUNK):
            numbers = range(start, min(start + CHUNK, newest + 1))
            pipe = self._redis.pipeline(transaction=False)
            for number in numbers:
                for lane in self._lanes:
                    pipe.hmget(IntentKeys(self._prefix, lane, number).record, _SEEN)
            answers = iter(pipe.execute())
            rows = [
                (IntentKeys(self._prefix, lane, number), *next(answers)) for number in numbers for lane in self._lanes
            ]
            found += [place for place, intent_id, of_set in rows if intent_id and not of_set]
        return found

    def place(self, number: int, lane: str) -> IntentKeys:
        return IntentKeys(self._prefix, lane, number)

    def records(self, places: Sequence[IntentKeys]) -> list[dict[str, str]]:
        """The counters of each, and its group; empty for one that was forgotten."""
        pipe = self._redis.pipeline(transaction=False)
        for place in places:
            pipe.hmget(place.record, _COUNTS)
        rows = (zip(_COUNTS, row, strict=True) for row in pipe.execute())
        return [{name: value for name, value in row if value is not None} for row in rows]

    def spec(self, place: IntentKeys, record: Mapping[str, str]) -> GroupSpec | None:
        """What the intent of such a record writes; None: not readable."""
        if RecordField.GROUP in record:
            text = self._redis.hget(group_key(self._prefix, place.lane, record[RecordField.GROUP]), GroupField.SPEC)
            return GroupSpec.from_json(text) if text else None
        written = record.get(RecordField.AS_WRITTEN)
        return RefusedIntent.from_json(written).spec if written else None

    def of_celery(self, numbers: Sequence[int]) -> set[int]:
        """Which of them came as Celery tasks: these are shown by Celery itself."""
        pipe = self._redis.pipeline(transaction=False)
        pipe.hmget(self._keys.parked, [str(number) for number in numbers])
        pipe.smismember(self._keys.released, list(numbers))
        parked, released = pipe.execute()
        return {
            number for number, here, gone in zip(numbers, parked, released, strict=True) if here is not None or gone
        }
