"""Failures of the last day by reason. Each ended intent is read once; one that was retried again now and then, until that has succeeded."""

from dataclasses import dataclass
from typing import Final

from feishu_batch.keys import RecordField
from worker.ledger.reading import Reading
from worker.operating.views import FailureGroup, Failures, collect

DAY: Final = 86_400.0
INTENTS: Final = 300  # of each lane that are looked at, the newest
ITEMS_PER_LOOK: Final = 5000  # failed items; more are read by the next looks
WHOLE_MINUTES: Final = 60.0
LOOK_AT_RETRIES: Final = 5.0  # seconds


@dataclass(frozen=True, slots=True)
class Summary:
    since: float  # unix seconds
    groups: tuple[FailureGroup, ...]  # the most frequent reason first
    is_cut: bool  # more intents ended badly than are looked at
    is_counting: bool  # not all of them were read yet


class RecentFailures:
    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._known: dict[str, dict[int, Failures]] = {}  # lane → intent's number → what failed of it
        self._retries_at: dict[str, float] = {}  # when retries of a lane were looked at

    def look(self, lane: str, now: float) -> Summary:
        since = (now - DAY) // WHOLE_MINUTES * WHOLE_MINUTES
        numbers = self._reading.ended_badly(lane, since, INTENTS + 1)
        wanted = numbers[:INTENTS]
        known = {number: found for number, found in self._known.get(lane, {}).items() if number in set(wanted)}
        if now - self._retries_at.get(lane, 0.0) >= LOOK_AT_RETRIES:
            self._retries_at[lane] = now
            for number in self._retried(lane, [number for number, found in known.items() if found.count()]):
                del known[number]
        is_counting = self._read(lane, [number for number in wanted if number not in known], known)
        self._known[lane] = known
        together = Failures()
        for number in wanted:
            if number in known:
                together.join(known[number])
        return Summary(since, tuple(together.groups()), len(numbers) > INTENTS, is_counting)

    def _retried(self, lane: str, numbers: list[int]) -> list[int]:
        records = self._reading.counts([self._reading.place_of(lane, number) for number in numbers])
        return [number for number, record in zip(numbers, records, strict=True) if RecordField.RETRIED_AS in record]

    def _read(self, lane: str, numbers: list[int], known: dict[int, Failures]) -> bool:
        """Whether some are left for the next look."""
        left = ITEMS_PER_LOOK
        places = [self._reading.place_of(lane, number) for number in numbers]
        for number, place, record in zip(numbers, places, self._reading.counts(places), strict=True):
            if left <= 0:
                return True
            found = Failures()
            if record:  # otherwise it was forgotten in between
                collect(self._reading, [(record["id"], place, record)], found)
                left -= int(record.get("fl") or 0)
            known[number] = found
        return False
