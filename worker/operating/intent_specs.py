"""What intents change, of some hundred at a time: for lists of what failed. Reads only."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from feishu_batch.change_set import FailedChange
from feishu_batch.keys import RecordField
from worker.ledger.fields import GroupField
from worker.ledger.reads.ledger import LedgerReads
from worker.ledger.records import GroupSpec
from worker.operating.change_sets import failures_of
from worker.operating.details import spec_of
from worker.operating.session import Session

AT_ONCE: Final = 500
_WHAT: Final = (RecordField.INTENT_ID, RecordField.GROUP, RecordField.AS_WRITTEN)


@dataclass(frozen=True, slots=True)
class PlacedSpec:
    """`spec`: of an intent that intake refused, as its producer wrote it."""

    lane: str
    spec: GroupSpec


def specs_of(reads: LedgerReads, intent_ids: Sequence[str]) -> dict[str, PlacedSpec]:
    """By intent id; without those in the inbox, those that were forgotten, and those that were not readable."""
    entries = zip(intent_ids, reads.entries(intent_ids), strict=True)
    places = {id_: place for id_, entry in entries if entry and (place := reads.place(entry))}
    records = dict(zip(places, reads.fields(list(places.values()), _WHAT), strict=True))
    groups: dict[str, set[str]] = {}
    for id_, place in places.items():
        if group := records[id_].get(RecordField.GROUP):
            groups.setdefault(place.lane, set()).add(group)
    texts = {lane: reads.specs(lane, wanted) for lane, wanted in groups.items()}
    found: dict[str, PlacedSpec] = {}
    for id_, place in places.items():
        text = texts.get(place.lane, {}).get(records[id_].get(RecordField.GROUP, ""))
        if spec := spec_of(records[id_], {GroupField.SPEC: text} if text else {}):
            found[id_] = PlacedSpec(place.lane, spec)
    return found


def failures_with_specs(session: Session, change_set: str) -> Iterator[tuple[FailedChange, PlacedSpec | None]]:
    """As `failures_of`. Raises `WrongUseError` for an unknown set, at once."""
    failures = failures_of(session, change_set)
    return (pair for some in _parts(failures) for pair in _with_specs(session, some))


def _parts(failures: Iterator[FailedChange]) -> Iterator[list[FailedChange]]:
    while some := list(islice(failures, AT_ONCE)):
        yield some


def _with_specs(session: Session, failures: list[FailedChange]) -> Iterator[tuple[FailedChange, PlacedSpec | None]]:
    specs = specs_of(session.reads, list(dict.fromkeys(one.intent_id for one in failures)))
    return ((one, specs.get(one.intent_id)) for one in failures)
