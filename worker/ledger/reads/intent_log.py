"""What was enqueued after a given intent, as far as it is still known. Reads only."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from redis import Redis

from feishu_batch.keys import InboxKeys, IntentKeys, RecordField

CHUNK = 500  # commands or entries per round trip
_BRIEF = (RecordField.INTENT_ID, RecordField.GROUP, RecordField.NOTE, RecordField.COMPLETED_AT_MS)


@dataclass(frozen=True, slots=True)
class LogEntry:
    """A number that was given to an intent. `lane` is None for one that no lane has a record of: forgotten, or in the inbox.
    `group` is None for an intent that was refused as a whole.
    """

    number: int
    lane: str | None = None
    group: str | None = None
    note: str | None = None
    has_ended: bool = False


class IntentLog:
    def __init__(self, redis: Redis, prefix: str, lanes: Sequence[str]) -> None:
        self._redis: Any = redis
        self._prefix, self.lanes = prefix, lanes
        self._inbox = InboxKeys(prefix)

    def newest(self) -> int:
        """The number of the newest intent."""
        return int(self._redis.get(self._inbox.sequence) or 0)

    def inbox(self, first: int) -> Iterator[tuple[int, str]]:
        """(number, intent as JSON) of all from that number on that no lane has recorded, oldest first."""
        start = f"{first}-0"
        while page := self._redis.xrange(self._inbox.inbox, start, count=CHUNK):
            for position, fields in page:
                yield int(position.partition("-")[0]), fields.get("i", "")
            start = f"({page[-1][0]}"

    def briefs(self, first: int, last: int) -> Iterator[LogEntry]:
        for start in range(first, last + 1, CHUNK):
            yield from self._part(range(start, min(start + CHUNK, last + 1)))

    def _part(self, numbers: Sequence[int]) -> Iterator[LogEntry]:
        pipe = self._redis.pipeline(transaction=False)
        for number in numbers:
            for lane in self.lanes:
                place = self.place(lane, number)
                pipe.hmget(place.record, *_BRIEF)
        answers = iter(pipe.execute())
        for number in numbers:
            rows = [(lane, *next(answers)) for lane in self.lanes]
            known = next((row for row in rows if row[1] is not None), None)
            yield _entry(number, *known) if known else LogEntry(number)

    def letters(self, place: IntentKeys, items: Sequence[str]) -> list[str | None]:
        """The outcome of each item, None while it has none or after it succeeded."""
        found: list[str | None] = []
        for start in range(0, len(items), CHUNK):
            found += self._redis.hmget(place.outcomes, items[start : start + CHUNK])
        return found

    def place(self, lane: str, number: int) -> IntentKeys:
        return IntentKeys(self._prefix, lane, number)


def _entry(
    number: int, lane: str, _intent_id: str, group: str | None, note: str | None, ended_at: str | None
) -> LogEntry:
    return LogEntry(number, lane, group, note, has_ended=ended_at is not None)
