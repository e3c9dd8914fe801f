"""Changes that wait at cells which are to be put back: they are written first."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from feishu_batch.errors import IntentError
from feishu_batch.intents import parse_intent
from feishu_batch.keys import RecordField
from worker.operating.retry.decision import Cell
from worker.operating.retry.sources import history_of, meaning_of
from worker.operating.session import Session


@dataclass(frozen=True, slots=True)
class WaitingChange:
    """Of one cell by one intent."""

    cell: Cell
    intent_id: str
    note: str | None


def waiting_changes(session: Session, cells: Collection[Cell], own: Collection[int]) -> list[WaitingChange]:
    """Without those of the intents `own`. In the inbox, a change of a field that is not known by this name counts for each of the item's."""
    found = {(one.cell, one.intent_id): one for one in _in_inbox(session, cells)}
    for column in sorted({cell[:2] for cell in cells}):
        items = [str(cell[2]) for cell in cells if cell[:2] == column]
        found |= {(one.cell, one.intent_id): one for one in _recorded(session, *column, items, own)}
    return sorted(found.values(), key=lambda one: (one.cell[2], one.cell[1]))


def _recorded(
    session: Session, lane: str, column: str, items: list[str], own: Collection[int]
) -> Iterator[WaitingChange]:
    number = session.reads.column(lane, column)
    lines = session.reads.lines(lane, number, items) if number else {}
    waits: dict[str, list[int]] = {}  # item → numbers
    for item, line in lines.items():
        holders = [(line.owner or "").partition("@")[0], *line.behind]
        if others := [int(holder) for holder in holders if holder and int(holder) not in own]:
            waits[item] = others
    numbers = sorted({number for others in waits.values() for number in others})
    about = _about(session, lane, numbers)
    for item, others in waits.items():
        for one in others:
            if one in about:  # not forgotten meanwhile
                yield WaitingChange((lane, column, int(item)), *about[one])


def _about(session: Session, lane: str, numbers: list[int]) -> Mapping[int, tuple[str, str | None]]:
    places = [session.reads.place_of(lane, number) for number in numbers]
    records = session.reads.fields(places, (RecordField.INTENT_ID, RecordField.NOTE))
    return {
        number: (record[RecordField.INTENT_ID], record.get(RecordField.NOTE))
        for number, record in zip(numbers, records, strict=True)
        if record
    }


def _in_inbox(session: Session, cells: Collection[Cell]) -> Iterator[WaitingChange]:
    of_item: dict[int, list[Cell]] = {}
    for cell in cells:
        of_item.setdefault(cell[2], []).append(cell)
    meaning = meaning_of(session)
    for _, payload in history_of(session).inbox(0):
        with suppress(IntentError):  # of another version of the library: intake will refuse it
            intent = parse_intent(payload)
            meant = meaning(intent)
            for cell in (cell for item in intent.work_item_ids for cell in of_item.get(item, ())):
                if meant is None or cell[1] == " ".join(meant):
                    yield WaitingChange(cell, intent.intent_id, intent.note)
