"""The result of every row of an import, item by item, from its journal and the ledger."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from feishu_batch.intents import BULK_PRIORITY
from feishu_batch.keys import RecordField
from feishu_batch.outcomes import OutcomeKind
from feishu_batch.results import IntentView, view_of_record
from worker.importing.journal import Journal, Note, Verdict
from worker.ledger.reads.ledger import Entry, LedgerReads
from worker.operating.details import WHY_NOT_SENT, ItemState, ItemView, ended_item, intent_detail

NOT_ENQUEUED = "not enqueued"
REJECTED = "rejected"
NOT_VALID = "not_valid"  # the code of a rejected row or cell: the reason says why
FORGOTTEN = "forgotten"
_GONE = "it ended so long ago that its record has expired"


@dataclass(frozen=True, slots=True)
class RowResult:
    """A line of the report. A rejected row has no intent and no item. `content`: the row's cells by column."""

    line: int
    intent_id: str | None
    item: int | None
    state: str  # of the item: an `ItemState`, or one of the three above
    code: str | None = None
    reason: str | None = None
    content: Mapping[str, Any] = field(default_factory=dict)


def row_results(journal: Journal, reads: LedgerReads, default_user_key: str | None) -> Iterator[RowResult]:
    """In the order of the file, with the present states: items that have not ended yet are open."""
    for step in journal.steps():
        found = states_of(reads, [note.intent_id for note in step if note.intent_id], default_user_key)
        for note in step:
            yield from _rejected(note) if note.verdict is Verdict.REJECTED else _lines(note, found[note.intent_id])


def not_enqueued(journal: Journal) -> Iterator[RowResult]:
    """For a file that was refused as a whole."""
    for step in journal.steps():
        for note in step:
            if note.verdict is Verdict.REJECTED:
                yield from _rejected(note)
            else:
                content = _as_in_file(note.content)
                yield from (RowResult(note.line, note.intent_id, i, NOT_ENQUEUED, content=content) for i in note.items)


# Item → (state, code, reason); missing items have the state under the key None.
States = Mapping[int | None, tuple[str, str | None, str | None]]


def _rejected(note: Note) -> Iterator[RowResult]:
    yield RowResult(note.line, None, None, REJECTED, NOT_VALID, note.reason, content=json.loads(note.content))


def _lines(note: Note, states: States) -> Iterator[RowResult]:
    content = _as_in_file(note.content)
    for item in note.items:
        yield RowResult(note.line, note.intent_id, item, *(states.get(item) or states[None]), content)


def _as_in_file(content: str) -> Mapping[str, Any]:
    """Without the priority that every row of a file has by itself."""
    given = json.loads(content)
    return {name: value for name, value in given.items() if (name, value) != ("priority", BULK_PRIORITY)}


def states_of(reads: LedgerReads, ids: Sequence[str], default_user_key: str | None) -> dict[str, States]:
    """By intent id. Takes a few round trips for all; only intents in progress cost some round trips each."""
    entries = dict(zip(ids, reads.entries(ids), strict=True))
    places = {id_: place for id_, entry in entries.items() if entry and (place := reads.place(entry))}
    records = dict(zip(places, reads.counts(list(places.values())), strict=True))
    views = {id_: view_of_record(id_, places[id_], record, {}) for id_, record in records.items() if record}
    ended = [id_ for id_, view in views.items() if view.state.is_final]
    bad = [id_ for id_ in ended if views[id_].progress.succeeded < views[id_].progress.total]
    letters = dict(zip(bad, reads.outcomes([places[id_] for id_ in bad]), strict=True))
    found: dict[str, States] = {}
    for id_, entry in entries.items():
        if id_ in views and views[id_].state.is_final:
            found[id_] = _ended(records[id_], letters.get(id_, {}))
        else:
            found[id_] = _open(reads, id_, entry, views.get(id_), default_user_key)
    return found


def _ended(record: Mapping[str, str], letters: Mapping[str, str]) -> States:
    if refused := record.get(RecordField.REFUSED):
        return {None: _state(ended_item("0", OutcomeKind.FAILED + refused))}
    states: dict[int | None, tuple[str, str | None, str | None]] = {None: (ItemState.SUCCEEDED.value, None, None)}
    return states | {int(item): _state(ended_item(item, outcome)) for item, outcome in letters.items()}


def _state(item: ItemView) -> tuple[str, str | None, str | None]:
    return item.state.value, item.code, item.reason or WHY_NOT_SENT.get(item.state)


def _open(
    reads: LedgerReads, intent_id: str, entry: Entry | None, view: IntentView | None, default_user_key: str | None
) -> States:
    if entry is None:
        return {None: (FORGOTTEN, None, _GONE)}
    if entry.lane is None:
        return {None: (ItemState.QUEUED.value, None, None)}
    if view and not (view.progress.in_flight or view.progress.settled):
        return {None: (ItemState.PENDING.value, None, None)}
    detail = intent_detail(reads, intent_id, default_user_key)
    if detail is None:
        return {None: (FORGOTTEN, None, _GONE)}
    return {item.item: _state(item) for item in detail.items}


def as_rows(
    found: Iterable[RowResult], field_name: Callable[[Mapping[str, Any]], str | None]
) -> Iterator[dict[str, Any]]:
    """The rows of a report, by column. `field_name`: the name of a row's field, if it is known."""
    for one in found:
        row: dict[str, Any] = {"line": one.line, "state": one.state, "code": one.code, "reason": one.reason}
        row |= {"field_name": field_name(one.content), **one.content}
        if one.item is not None:
            row |= {"work_item_ids": [one.item], "item": one.item}
        row["intent_id"] = one.intent_id
        yield row
