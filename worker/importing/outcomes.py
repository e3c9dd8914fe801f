"""What became of every row of an import, item by item, from its journal and the ledger."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from feishu_batch.keys import OutcomeLetter, RecordField
from feishu_batch.results import IntentView, view_of_record
from worker.importing.journal import Journal, Note, Verdict
from worker.ledger.reading import Entry, Reading
from worker.operating.details import WHY_NOT_SENT, ItemState, ItemView, ended_item, intent_detail

NOT_ENQUEUED = "not enqueued"
REJECTED = "rejected"
FORGOTTEN = "forgotten"
_GONE = "it ended so long ago that nobody can say how"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A line of the report. A rejected row has neither intent nor item. `content`: what the row says, by column."""

    line: int
    intent_id: str | None
    item: int | None
    state: str  # of the item: an `ItemState`, or one of the three above
    code: str | None = None
    reason: str | None = None
    content: Mapping[str, Any] = field(default_factory=dict)


def outcomes(journal: Journal, reading: Reading, default_user_key: str | None) -> Iterator[Outcome]:
    """In the order of the file; as it is now, so that what has not ended yet is told as open."""
    for step in journal.steps():
        found = _found(reading, [note.intent_id for note in step if note.intent_id], default_user_key)
        for note in step:
            yield from _rejected(note) if note.verdict is Verdict.REJECTED else _lines(note, found[note.intent_id])


def not_enqueued(journal: Journal) -> Iterator[Outcome]:
    """Of a file that was refused as a whole."""
    for step in journal.steps():
        for note in step:
            if note.verdict is Verdict.REJECTED:
                yield from _rejected(note)
            else:
                content = json.loads(note.content)
                yield from (Outcome(note.line, note.intent_id, i, NOT_ENQUEUED, content=content) for i in note.items)


# Item → (state, code, reason); what is missing is told by the state that stands under None.
_States = Mapping[int | None, tuple[str, str | None, str | None]]


def _rejected(note: Note) -> Iterator[Outcome]:
    yield Outcome(note.line, None, None, REJECTED, reason=note.reason, content=json.loads(note.content))


def _lines(note: Note, states: _States) -> Iterator[Outcome]:
    content = json.loads(note.content)
    for item in note.items:
        yield Outcome(note.line, note.intent_id, item, *(states.get(item) or states[None]), content)


def _found(reading: Reading, ids: Sequence[str], default_user_key: str | None) -> dict[str, _States]:
    """A few round trips for all of them; only intents that are under way cost some each."""
    entries = dict(zip(ids, reading.entries(ids), strict=True))
    places = {id_: place for id_, entry in entries.items() if entry and (place := reading.place(entry))}
    records = dict(zip(places, reading.counts(list(places.values())), strict=True))
    views = {id_: view_of_record(id_, places[id_], record, {}) for id_, record in records.items() if record}
    ended = [id_ for id_, view in views.items() if view.state.is_final]
    bad = [id_ for id_ in ended if views[id_].progress.succeeded < views[id_].progress.total]
    letters = dict(zip(bad, reading.outcomes([places[id_] for id_ in bad]), strict=True))
    found: dict[str, _States] = {}
    for id_, entry in entries.items():
        if id_ in views and views[id_].state.is_final:
            found[id_] = _ended(records[id_], letters.get(id_, {}))
        else:
            found[id_] = _open(reading, id_, entry, views.get(id_), default_user_key)
    return found


def _ended(record: Mapping[str, str], letters: Mapping[str, str]) -> _States:
    if refused := record.get(RecordField.REFUSED):
        return {None: _told(ended_item("0", OutcomeLetter.FAILED + refused))}
    told: dict[int | None, tuple[str, str | None, str | None]] = {None: (ItemState.SUCCEEDED.value, None, None)}
    return told | {int(item): _told(ended_item(item, outcome)) for item, outcome in letters.items()}


def _told(item: ItemView) -> tuple[str, str | None, str | None]:
    return item.state.value, item.code, item.reason or WHY_NOT_SENT.get(item.state)


def _open(
    reading: Reading, intent_id: str, entry: Entry | None, view: IntentView | None, default_user_key: str | None
) -> _States:
    if entry is None:
        return {None: (FORGOTTEN, None, _GONE)}
    if entry.lane is None:
        return {None: (ItemState.QUEUED.value, None, None)}
    if view and not (view.progress.in_flight or view.progress.settled):
        return {None: (ItemState.PENDING.value, None, None)}
    detail = intent_detail(reading, intent_id, default_user_key)
    if detail is None:
        return {None: (FORGOTTEN, None, _GONE)}
    return {item.item: _told(item) for item in detail.items}


def as_rows(
    found: Iterable[Outcome], field_name: Callable[[Mapping[str, Any]], str | None]
) -> Iterator[dict[str, Any]]:
    """As a report has them, by column. `field_name`: what the field of a row is called, as far as anybody knows."""
    for one in found:
        row: dict[str, Any] = {"line": one.line, "state": one.state, "code": one.code, "reason": one.reason}
        row |= {"field_name": field_name(one.content), **one.content}
        if one.item is not None:
            row |= {"work_item_ids": [one.item], "item": one.item}
        row["intent_id"] = one.intent_id
        yield row
