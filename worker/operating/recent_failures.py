"""Failures of the last hours by reason, for a look every second. An intent is read again when more of it failed, and now and then if
it was retried, until that has succeeded.
"""

from dataclasses import dataclass
from itertools import islice
from typing import Final

from feishu_batch.keys import RecordField
from worker.ledger.reading import PAGE, Reading
from worker.operating.failures import FailureGroup, Failures, failures_of

HOUR: Final = 3600.0
DAY: Final = 86_400.0
INTENTS: Final = PAGE  # of each lane, the newest: more are not looked at
ITEMS_PER_LOOK: Final = 5000  # failed items; more are read by the next looks
WHOLE_MINUTES: Final = 60.0
LOOK_AT_RETRIES: Final = 5.0  # seconds


@dataclass(frozen=True, slots=True)
class Summary:
    since: float  # unix seconds
    groups: tuple[FailureGroup, ...]  # the most frequent reason first
    is_cut: bool  # more intents failed than are looked at
    is_counting: bool  # not all of them were read yet

    @property
    def count(self) -> int:
        return sum(group.count for group in self.groups)

    @property
    def is_whole(self) -> bool:
        """Nothing failed beyond what the groups say."""
        return not (self.is_cut or self.is_counting)


_Seen = tuple[int, int]  # an intent's number, and when the newest of its failed items failed


class RecentFailures:
    def __init__(self, reading: Reading, window: float = DAY) -> None:
        self._reading, self._window = reading, window
        self._known: dict[str, dict[_Seen, Failures]] = {}  # lane → what failed of each intent
        self._retries_at: dict[str, float] = {}  # when retries of a lane were looked at

    def look(self, lane: str, now: float) -> Summary:
        since = (now - self._window) // WHOLE_MINUTES * WHOLE_MINUTES
        wanted, further = [*islice(self._reading.failed(lane, since), 2), [], []][:2]
        known = {seen: found for seen, found in self._known.get(lane, {}).items() if seen in set(wanted)}
        if now - self._retries_at.get(lane, 0.0) >= LOOK_AT_RETRIES:
            self._retries_at[lane] = now
            for seen in self._retried(lane, [seen for seen, found in known.items() if found.count()]):
                del known[seen]
        is_counting = self._read(lane, [seen for seen in wanted if seen not in known], known)
        self._known[lane] = known
        together = Failures()
        for seen in wanted:
            if seen in known:
                together.join_all(known[seen])
        return Summary(since, tuple(together.groups()), bool(further), is_counting)

    def _retried(self, lane: str, wanted: list[_Seen]) -> list[_Seen]:
        records = self._reading.counts([self._reading.place_of(lane, number) for number, _ in wanted])
        return [seen for seen, record in zip(wanted, records, strict=True) if RecordField.RETRIED_AS in record]

    def _read(self, lane: str, wanted: list[_Seen], known: dict[_Seen, Failures]) -> bool:
        """Whether some are left for the next look."""
        left = ITEMS_PER_LOOK
        numbers = [number for number, _ in wanted]
        for place, found in enumerate(failures_of(self._reading, lane, numbers)):
            known[wanted[place]] = found
            left -= found.count() + found.mended
            if left <= 0:
                return place + 1 < len(wanted)
        return False
