"""The results of retried items: the records of their intents name the new intents."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from feishu_batch.keys import IntentKeys, RecordField
from feishu_batch.results import IntentState, view_of_record
from worker.ledger.reads.ledger import LedgerReads

MOST_ROUNDS = 20  # of retries of retries


@dataclass(frozen=True, slots=True)
class RetryResult:
    """A retry. `succeeded`: its succeeded items, after it has ended."""

    state: IntentState
    succeeded: frozenset[str] = frozenset()
    retried_as: tuple[str, ...] = ()


def retries_of(record: Mapping[str, str]) -> tuple[str, ...]:
    """Ids, oldest first; the records of some may have expired."""
    return tuple(filter(None, record.get(RecordField.RETRIED_AS, "").split(",")))


class RetryResults:
    """The retries of any number of intents, read in a few round trips."""

    def __init__(self, reads: LedgerReads, ids: Iterable[str]) -> None:
        self._reads = reads
        self._known: dict[str, RetryResult] = {}
        wanted = list(dict.fromkeys(ids))
        for _ in range(MOST_ROUNDS):
            if not wanted:
                break
            found = self._read(wanted)
            self._known |= found
            later = dict.fromkeys(id_ for one in found.values() for id_ in one.retried_as)
            wanted = [id_ for id_ in later if id_ not in self._known]

    def states(self, ids: Sequence[str]) -> list[tuple[str, IntentState]]:
        """(id, state) of the known ones."""
        return [(id_, self._known[id_].state) for id_ in ids if id_ in self._known]

    def succeeded(self, ids: Sequence[str]) -> set[str]:
        """Items that succeeded in one of these intents, or in a retry of it."""
        items: set[str] = set()
        seen: set[str] = set()
        ahead = list(ids)
        while ahead:
            id_ = ahead.pop()
            if id_ in self._known and id_ not in seen:
                seen.add(id_)
                items |= self._known[id_].succeeded
                ahead += self._known[id_].retried_as
        return items

    def _read(self, ids: Sequence[str]) -> dict[str, RetryResult]:
        entries = {id_: entry for id_, entry in zip(ids, self._reads.entries(ids), strict=True) if entry}
        places = {id_: place for id_, entry in entries.items() if (place := self._reads.place(entry))}
        found = {id_: RetryResult(IntentState.QUEUED) for id_ in entries if id_ not in places}
        records = self._reads.counts(list(places.values()))
        for (id_, place), record in zip(places.items(), records, strict=True):
            if record:
                found[id_] = self._retried(id_, place, record)
        return found

    def _retried(self, intent_id: str, place: IntentKeys, record: Mapping[str, str]) -> RetryResult:
        state = view_of_record(intent_id, place, record, {}).state
        succeeded: frozenset[str] = frozenset()
        if state.is_final and int(record.get(RecordField.SUCCEEDED) or 0):
            [outcomes] = self._reads.outcomes([place])
            succeeded = frozenset(self._reads.items(place)) - outcomes.keys()
        return RetryResult(state, succeeded, retries_of(record))
