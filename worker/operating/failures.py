"""What failed, by reason, of intents that have ended and of those under way. Reads only."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from feishu_batch.keys import IntentKeys, RecordField
from feishu_batch.results import failed_items
from worker.ledger.reading import Reading
from worker.operating.reasons import ReasonGroup, ReasonGroups
from worker.operating.retried import Retries, retries_of

# (intent id, place, counters) of an intent that was read
Counted = tuple[str, IntentKeys, Mapping[str, str]]
FailureGroup = ReasonGroup[tuple[str, str]]  # of (item, intent id)
AT_ONCE = 500  # intents
ITEMS_AT_ONCE = 20_000  # that did not succeed


class Failures(ReasonGroups[tuple[str, str]]):
    """Failed items by reason, whichever request failed for it: each as (item, intent id)."""

    def __init__(self) -> None:
        super().__init__()
        self.mended = 0  # items that failed and are not counted, since a retry of them has succeeded

    def add_items(self, intent_id: str, failed: Mapping[str, Mapping[str, Any]]) -> None:
        for item, why in failed.items():
            self.add(why["code"], why["reason"], (item, intent_id))

    def join_all(self, others: "Failures") -> None:
        self.mended += others.mended
        self.join(others)


@dataclass(frozen=True, slots=True)
class FailureReport:
    intents: int  # that were looked at: each has an item that failed
    is_cut: bool  # there are more than the limit
    failures: Failures


def failure_report(reading: Reading, lane: str, since: float, limit: int | None) -> FailureReport:
    """Items that failed since then (unix seconds), of the newest `limit` intents, or of all."""
    failures, looked_at, is_cut = Failures(), 0, False
    for numbers in reading.failed(lane, since):
        left = len(numbers) if limit is None else limit - looked_at
        wanted = [number for number, _ in numbers[:left]]
        for found in failures_of(reading, lane, wanted):
            failures.join_all(found)
        looked_at += len(wanted)
        if is_cut := len(numbers) > left:
            break
    return FailureReport(looked_at, is_cut, failures)


def failures_of(reading: Reading, lane: str, numbers: Sequence[int]) -> Iterator[Failures]:
    """Of each intent, in this order; nothing of one that was forgotten meanwhile."""
    for start in range(0, len(numbers), AT_ONCE):
        places = [reading.place_of(lane, number) for number in numbers[start : start + AT_ONCE]]
        records = zip(places, reading.counts(places), strict=True)
        yield from _each(reading, [(record.get("id", ""), place, record) for place, record in records])


def collect(reading: Reading, intents: Sequence[Counted], failures: Failures) -> None:
    """Add the failed items of these intents, less those of which a retry has succeeded."""
    # Only when everything was read: a repeat must not add anything twice.
    for found in list(_each(reading, [one for one in intents if _failed_count(one)])):
        failures.join_all(found)


def _each(reading: Reading, intents: Sequence[Counted]) -> Iterator[Failures]:
    retries = Retries(reading, chain.from_iterable(retries_of(record) for _, _, record in intents))
    for part in _in_parts(intents):
        for (intent_id, _, record), failed in zip(part, _failed_items(reading, part), strict=True):
            mended = retries.succeeded(retries_of(record)) if failed else frozenset[str]()
            left = {item: why for item, why in failed.items() if item not in mended}
            found = Failures()
            found.add_items(intent_id, left)
            found.mended = len(failed) - len(left)
            yield found


def _failed_items(reading: Reading, intents: Sequence[Counted]) -> Iterable[dict[str, dict[str, Any]]]:
    outcomes = reading.outcomes([place for _, place, _ in intents])
    for (_, place, record), told in zip(intents, outcomes, strict=True):
        is_refused = RecordField.REFUSED in record  # as a whole: it has no outcomes
        items = {RecordField.ITEMS: ",".join(reading.items(place))} if is_refused else {}
        yield failed_items({**record, **items}, told)


def _in_parts(intents: Sequence[Counted]) -> Iterator[list[Counted]]:
    part: list[Counted] = []
    items = 0
    for one in intents:
        if part and items > ITEMS_AT_ONCE:
            yield part
            part, items = [], 0
        part.append(one)
        items += int(one[2].get(RecordField.TOTAL) or 0)
    if part:
        yield part


def _failed_count(intent: Counted) -> int:
    return int(intent[2].get(RecordField.FAILED) or 0)
