"""Many intents on their way to their end, at a bounded cost per look."""

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from itertools import islice

from feishu_batch.keys import IntentKeys
from feishu_batch.results import IntentView, view_of_record
from worker.ledger.reading import Reading
from worker.views import Failures, collect

_COUNTED = ("accepted", "in_flight", "succeeded", "failed", "superseded", "canceled", "expired")
PER_LOOK = 4000  # intents; of more, each look sees the ones that were not looked at longest


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts of changes: one intent's write to one work item each."""

    total: int
    accepted: int  # recorded in a lane
    in_flight: int
    succeeded: int
    failed: int
    superseded: int
    canceled: int
    expired: int
    open_intents: int  # intents, not changes

    @property
    def settled(self) -> int:
        return self.succeeded + self.failed + self.superseded + self.canceled + self.expired

    @property
    def sent(self) -> int:
        """In a request, or settled. Never fewer than `settled`: what ended without a request needs none any more."""
        return self.in_flight + self.settled


class Watch:
    """`look` reads the ledger once; `totals` and `failures` then say what is known."""

    def __init__(self, reading: Reading, intents: Iterable[tuple[str, int]]) -> None:
        """`intents`: (id, number of items)."""
        self._reading = reading
        self._open = deque(intents)
        self._total = sum(items for _, items in self._open)
        self._seen: dict[str, Counter[str]] = {}  # of intents that are still open
        self._sums: Counter[str] = Counter()
        self.failures = Failures()
        self.forgotten = 0

    @property
    def is_over(self) -> bool:
        return not self._open

    def totals(self) -> Totals:
        return Totals(total=self._total, open_intents=len(self._open), **{name: self._sums[name] for name in _COUNTED})

    def look(self) -> None:
        """All reading comes first: if Redis does not answer half-way, nothing is taken off the list, and the next look repeats."""
        part = list(islice(self._open, PER_LOOK))
        ids = [intent_id for intent_id, _ in part]
        entries = dict(zip(ids, self._reading.entries(ids), strict=True))
        records = self._records(
            {i: place for i, entry in entries.items() if entry and (place := self._reading.place(entry))}
        )
        views = {i: view_of_record(i, place, record, {}) for i, (place, record) in records.items()}
        ended = [(i, *records[i]) for i in ids if i in views and views[i].state.is_final]
        collect(self._reading, ended, self.failures)
        for intent_id, items in part:
            self._open.popleft()
            if intent_id in views and self._note(views[intent_id]):
                continue
            if entries[intent_id] is None:
                self.forgotten += 1  # it ended so long ago that nobody can say how
            else:
                self._open.append((intent_id, items))

    def _records(self, places: Mapping[str, IntentKeys]) -> dict[str, tuple[IntentKeys, dict[str, str]]]:
        pairs = zip(places.items(), self._reading.counts(list(places.values())), strict=True)
        return {intent_id: (place, record) for (intent_id, place), record in pairs if record}

    def _note(self, view: IntentView) -> bool:
        """Bring the sums up to date; whether the intent has ended."""
        now = Counter({name: count for name, count in asdict(view.progress).items() if count})
        now["accepted"] = view.progress.total
        self._sums.subtract(self._seen.pop(view.intent_id, Counter()))
        self._sums.update(now)
        if not view.state.is_final:
            self._seen[view.intent_id] = now
        return view.state.is_final
