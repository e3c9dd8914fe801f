"""Converts the cells of a workbook's row to an intent; numbers, dates and booleans keep their types. Pure functions; each raises
`CellError`.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Any, Final

from feishu_batch.written import Kind, Written
from worker.importing.cells import VALUES, CellError, Content, field_value, item_ids, refuse_other_place, texts_of
from worker.writing.ids import Ids

CHINA: Final = timezone(timedelta(hours=8))  # the time zone of Feishu Project's days; without daylight saving time
# Spreadsheets keep 15 digits of a number; the ids of users have 19.
_EXACT: Final = 10**15
_ROUNDED: Final = "the number has more digits than a spreadsheet keeps: format the column as text and enter it again"


def typed_intent_of(row: Mapping[str, Written | None], zone: tzinfo) -> Content:
    """From a row's cells by column name: each a `Written`, or None if it is empty. A date without an offset is in `zone`."""
    cells = {name: checked_cell(name, cell, zone) for name, cell in row.items()}
    texts = {name: text_of_cell(name, cell) for name, cell in cells.items() if name not in (*VALUES, "work_item_ids")}
    ids = ids_of_cell(cells["work_item_ids"])
    intent: dict[str, Any] = {"work_item_ids": ids.ids, **texts_of(texts)}
    for name in VALUES:
        if name in cells and ((value := field_value(name, cells[name])) is not None or name == "after_field_value"):
            intent[name] = value
    refuse_other_place(ids, intent)
    return Content(intent, ids.ranged)


def checked_cell(name: str, cell: Written | None, zone: tzinfo) -> Written | None:
    if cell is None or (cell.kind is Kind.TEXT and not cell.text.strip()):
        return None
    if cell.kind is Kind.ERROR:
        raise CellError(f"{name}: the cell shows the error {cell.text}")
    if cell.kind is Kind.NUMBER and abs(Decimal(cell.text)) >= _EXACT:
        raise CellError(f"{name}: {_ROUNDED}")
    return in_zone(cell, zone) if cell.kind is Kind.DATE else cell


def in_zone(cell: Written, zone: tzinfo) -> Written:
    """A date, with the offset that it has there unless it has one."""
    moment = datetime.fromisoformat(cell.text)
    if moment.utcoffset() is not None:
        return cell
    return Written(Kind.DATE, moment.replace(tzinfo=zone).isoformat(), cell.as_seen)


def ids_of_cell(cell: Written | None) -> Ids:
    if cell is None:
        raise CellError("work_item_ids: the cell is empty")
    if cell.kind is Kind.NUMBER and not cell.text.isdigit():
        raise CellError(f"work_item_ids: {cell.as_seen} is not a work item id")
    if cell.kind not in (Kind.NUMBER, Kind.TEXT):
        raise CellError(
            f"work_item_ids: the {_CALLED[cell.kind]} {cell.as_seen} is not an id; format the column as text"
        )
    if cell.kind is Kind.NUMBER and _without_groups(cell.as_seen) != cell.text:
        raise CellError(f"work_item_ids: the cell contains {cell.text} but shows {cell.shown}: write the intended one")
    return item_ids(cell.text)


_CALLED: Final = {Kind.DATE: "date", Kind.TIME: "time", Kind.BOOLEAN: "boolean"}


def _without_groups(shown: str) -> str:
    return "".join(one for one in shown if one not in ",'’" and not one.isspace()).removeprefix("#")


def text_of_cell(name: str, cell: Written | None) -> str:
    """For columns that are texts or have their own rules."""
    if cell is None:
        return ""
    if cell.kind is Kind.BOOLEAN:
        return cell.text.lower()
    if cell.kind is Kind.DATE and name == "expires_at":
        return cell.text
    return cell.text if cell.kind is Kind.NUMBER and name == "priority" else cell.as_seen
