"""Tracks many intents until they have ended, at a bounded cost per look."""

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from feishu_batch.keys import IntentKeys, RecordField
from feishu_batch.outcomes import LABELS
from feishu_batch.results import IntentView, view_of_record
from worker.ledger.reads.ledger import LedgerReads
from worker.operating.details import WHY_NOT_SENT, ended_item
from worker.operating.failures import Failures, collect

_COUNTED = ("accepted", "in_flight", *LABELS)
_NOTHING = (0,) * len(_COUNTED)
PER_LOOK = 4000  # intents; with more, each look reads the ones that were not read for longest


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts of changes: one intent's write to one work item each."""

    total: int
    accepted: int  # recorded in a lane
    in_flight: int
    succeeded: int
    unchanged: int
    failed: int
    superseded: int
    canceled: int
    expired: int
    open_intents: int  # intents, not changes

    @property
    def settled(self) -> int:
        return sum(getattr(self, label) for label in LABELS)

    @property
    def sent(self) -> int:
        """In a request, or settled. Never fewer than `settled`, which includes changes that ended without a request."""
        return self.in_flight + self.settled


def counts_of(totals: Totals) -> dict[str, int]:
    return {name: getattr(totals, name) for name in ("total", *LABELS)}


class Roster(Protocol):
    """The intents to track, by index; may be on disk."""

    changes: int  # of all of them

    def __len__(self) -> int: ...
    def pick(self, places: Sequence[int]) -> list[tuple[str, int]]:
        """(intent id, number of items) of each place."""


class Listed:
    """A roster in memory."""

    def __init__(self, intents: Sequence[tuple[str, int]]) -> None:
        self._intents = intents
        self.changes = sum(items for _, items in intents)

    def __len__(self) -> int:
        return len(self._intents)

    def pick(self, places: Sequence[int]) -> list[tuple[str, int]]:
        return [self._intents[place] for place in places]


class IntentTracker:
    """`look` reads the ledger once; `totals` and `failures` then have the results. Needs about ten bytes per intent.

    Failures of intents that had ended by `began_at` (Redis's clock, unix seconds) are counted separately, in `failed_before`.
    """

    def __init__(self, reads: LedgerReads, roster: Roster, began_at: float = 0.0) -> None:
        self._reads = reads
        self._roster = roster
        self._open, self._next = array("L", range(len(roster))), 0
        self._looked_at = array("L")  # the open ones of this round
        self._shapes: dict[tuple[int, ...], tuple[int, ...]] = {}  # most intents have one of a few combinations
        self._seen: list[tuple[int, ...]] = [_NOTHING] * len(roster)
        self._sums = list(_NOTHING)
        self._began_at_ms = began_at * 1000
        self.failures = Failures()
        self.failed_before = Failures()
        self.not_sent = Failures()  # canceled and expired, by `code`
        self.forgotten = 0

    @property
    def is_over(self) -> bool:
        return self._next >= len(self._open) and not self._looked_at

    def totals(self) -> Totals:
        sums = dict(zip(_COUNTED, self._sums, strict=True))
        still_open = len(self._open) - self._next + len(self._looked_at)
        return Totals(total=self._roster.changes, open_intents=still_open, **sums)

    def look(self) -> None:
        """Reads everything first: if Redis stops answering half-way, no intent is removed, and the next look repeats."""
        if self._next >= len(self._open):
            self._open, self._next, self._looked_at = self._looked_at, 0, array("L")
        places = self._open[self._next : self._next + PER_LOOK]
        ids = [intent_id for intent_id, _ in self._roster.pick(places)]
        entries = dict(zip(ids, self._reads.entries(ids), strict=True))
        records = self._records(
            {i: keys for i, entry in entries.items() if entry and (keys := self._reads.place(entry))}
        )
        views = {i: view_of_record(i, place, record, {}) for i, (place, record) in records.items()}
        ended = [(i, *records[i]) for i in ids if i in views and views[i].state.is_final]
        not_sent = self._not_sent(ended)
        collect(self._reads, [one for one in ended if not self._is_old(one[2])], self.failures)
        collect(self._reads, [one for one in ended if self._is_old(one[2])], self.failed_before)
        self.not_sent.join_all(not_sent)
        self._next += len(places)
        for place, intent_id in zip(places, ids, strict=True):
            if intent_id in views and self._note(place, views[intent_id]):
                continue
            if entries[intent_id] is None:
                self.forgotten += 1  # it ended so long ago that its record has expired
            else:
                self._looked_at.append(place)

    def _not_sent(self, ended: Sequence[tuple[str, IntentKeys, Mapping[str, str]]]) -> Failures:
        cut = [one for one in ended if RecordField.CANCELED in one[2] or RecordField.EXPIRED in one[2]]
        found = Failures()
        for (intent_id, _, _), outcomes in zip(cut, self._reads.outcomes([one[1] for one in cut]), strict=True):
            items = [ended_item(item, outcome) for item, outcome in outcomes.items()]
            reasons = {str(i.item): {"code": i.state.value, "reason": WHY_NOT_SENT.get(i.state)} for i in items}
            found.add_items(intent_id, {item: why for item, why in reasons.items() if why["reason"]})
        return found

    def _is_old(self, record: Mapping[str, str]) -> bool:
        return int(record.get(RecordField.COMPLETED_AT_MS) or 0) < self._began_at_ms

    def _records(self, places: Mapping[str, IntentKeys]) -> dict[str, tuple[IntentKeys, dict[str, str]]]:
        pairs = zip(places.items(), self._reads.counts(list(places.values())), strict=True)
        return {intent_id: (place, record) for (intent_id, place), record in pairs if record}

    def _note(self, place: int, view: IntentView) -> bool:
        """Update the sums; returns whether the intent has ended."""
        p = view.progress
        now = (p.total, p.in_flight, *(getattr(p, label) for label in LABELS))
        self._sums = [total + new - old for total, new, old in zip(self._sums, now, self._seen[place], strict=True)]
        self._seen[place] = self._shapes.setdefault(now, now)
        return view.state.is_final
