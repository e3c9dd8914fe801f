"""Failed items by reason, of ended and unfinished intents. Reads only."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from feishu_batch.keys import IntentKeys, RecordField
from feishu_batch.results import failed_items
from feishu_batch.retries import retries_of
from worker.ledger.reads.ledger import LedgerReads
from worker.operating.reasons import ReasonGroup, ReasonGroups
from worker.operating.retry.corrected import Corrected, FailedItem

# (intent id, place, counters) of an intent
Counted = tuple[str, IntentKeys, Mapping[str, str]]
FailureGroup = ReasonGroup[tuple[str, str]]  # of (item, intent id)
AT_ONCE = 500  # intents
ITEMS_AT_ONCE = 20_000  # that did not succeed


class Failures(ReasonGroups[tuple[str, str]]):
    """Failed items by reason, over all requests: each as (item, intent id)."""

    def __init__(self) -> None:
        super().__init__()
        self.succeeded_on_retry = 0  # failed items that are not counted, because a retry of them succeeded
        self.corrected = 0  # nor these, because a later intent has written their field

    def add_items(self, intent_id: str, failed: Mapping[str, Mapping[str, Any]]) -> None:
        for item, why in failed.items():
            self.add(why["code"], why["reason"], (item, intent_id))

    def join_all(self, others: "Failures") -> None:
        self.succeeded_on_retry += others.succeeded_on_retry
        self.corrected += others.corrected
        self.join(others)


@dataclass(frozen=True, slots=True)
class FailureReport:
    intents: int  # number of examined intents, each with a failed item
    is_cut: bool  # there are more intents than the limit
    failures: Failures


def failure_report(
    reads: LedgerReads, lane: str, since: float, limit: int | None, corrected: Corrected
) -> FailureReport:
    """Items that failed since `since` (unix seconds), of the newest `limit` intents, or of all."""
    wanted: list[int] = []
    is_cut = False
    for numbers in reads.failed(lane, since):
        left = len(numbers) if limit is None else limit - len(wanted)
        wanted += [number for number, _ in numbers[:left]]
        if is_cut := len(numbers) > left:
            break
    failures = Failures()
    for found in failures_of(reads, lane, wanted, corrected((lane, number) for number in wanted)):
        failures.join_all(found)
    return FailureReport(len(wanted), is_cut, failures)


def failures_of(
    reads: LedgerReads, lane: str, numbers: Sequence[int], corrected: Collection[FailedItem] = ()
) -> Iterator[Failures]:
    """The failures of each intent, in this order; empty for an expired record."""
    for start in range(0, len(numbers), AT_ONCE):
        places = [reads.place_of(lane, number) for number in numbers[start : start + AT_ONCE]]
        records = zip(places, reads.counts(places), strict=True)
        intents = [(record.get(RecordField.INTENT_ID, ""), place, record) for place, record in records]
        yield from _each(reads, intents, corrected)


def collect(reads: LedgerReads, intents: Sequence[Counted], failures: Failures) -> None:
    """Add the failed items of these intents, except those that succeeded on a retry."""
    # Only after everything was read: a repetition must not add anything twice.
    for found in list(_each(reads, [one for one in intents if _failed_count(one)])):
        failures.join_all(found)


def _each(reads: LedgerReads, intents: Sequence[Counted], corrected: Collection[FailedItem] = ()) -> Iterator[Failures]:
    retries = reads.retries(chain.from_iterable(retries_of(record) for _, _, record in intents))
    for part in _in_parts(intents):
        for (intent_id, _, record), failed in zip(part, _failed_items(reads, part), strict=True):
            retried = retries.succeeded(retries_of(record)) if failed else frozenset[str]()
            found = Failures()
            found.succeeded_on_retry = len(retried & failed.keys())
            tried = {item: why for item, why in failed.items() if item not in retried}
            left = {item: why for item, why in tried.items() if (item, intent_id) not in corrected}
            found.add_items(intent_id, left)
            found.corrected = len(tried) - len(left)
            yield found


def _failed_items(reads: LedgerReads, intents: Sequence[Counted]) -> Iterable[dict[str, dict[str, Any]]]:
    outcomes = reads.outcomes([place for _, place, _ in intents])
    for (_, place, record), letters in zip(intents, outcomes, strict=True):
        is_refused = RecordField.REFUSED in record  # refused as a whole: it has no outcomes
        items = {RecordField.ITEMS: ",".join(reads.items(place))} if is_refused else {}
        yield failed_items({**record, **items}, letters)


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
