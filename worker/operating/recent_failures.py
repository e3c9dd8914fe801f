"""Failures of the last hours by reason, read every second. An intent is read again when more of its items failed, and from time to
time if it was retried, until the retry has succeeded.
"""

from dataclasses import dataclass
from itertools import islice
from typing import Final

from feishu_batch.keys import RecordField
from worker.ledger.reads.ledger import PAGE, LedgerReads
from worker.operating.failures import FailureGroup, Failures, failures_of

HOUR: Final = 3600.0
DAY: Final = 86_400.0
INTENTS: Final = PAGE  # the newest intents of each lane; others are not read
ITEMS_PER_LOOK: Final = 5000  # failed items; the next looks read the others
WHOLE_MINUTES: Final = 60.0
LOOK_AT_RETRIES: Final = 5.0  # seconds


@dataclass(frozen=True, slots=True)
class Summary:
    since: float  # unix seconds
    groups: tuple[FailureGroup, ...]  # the most frequent reason first
    is_cut: bool  # more intents failed than are read
    is_counting: bool  # not all of them are read yet

    @property
    def count(self) -> int:
        return sum(group.count for group in self.groups)

    @property
    def is_whole(self) -> bool:
        """The groups contain all failures."""
        return not (self.is_cut or self.is_counting)


_Seen = tuple[int, int]  # an intent's number, and when the newest of its failed items failed


class RecentFailures:
    def __init__(self, reads: LedgerReads, window: float = DAY) -> None:
        self._reads, self._window = reads, window
        self._known: dict[str, dict[_Seen, Failures]] = {}  # lane → failures of each intent
        self._retries_at: dict[str, float] = {}  # time of the last look at the retries of a lane

    def look(self, lane: str, now: float) -> Summary:
        since = (now - self._window) // WHOLE_MINUTES * WHOLE_MINUTES
        wanted, further = [*islice(self._reads.failed(lane, since), 2), [], []][:2]
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
        records = self._reads.counts([self._reads.place_of(lane, number) for number, _ in wanted])
        return [seen for seen, record in zip(wanted, records, strict=True) if RecordField.RETRIED_AS in record]

    def _read(self, lane: str, wanted: list[_Seen], known: dict[_Seen, Failures]) -> bool:
        """Whether intents are left for the next look."""
        left = ITEMS_PER_LOOK
        numbers = [number for number, _ in wanted]
        for place, found in enumerate(failures_of(self._reads, lane, numbers)):
            known[wanted[place]] = found
            left -= found.count() + found.succeeded_on_retry
            if left <= 0:
                return place + 1 < len(wanted)
        return False
