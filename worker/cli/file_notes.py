"""Notes of `plan` and `import` about a file: cleared fields, hidden rows, merged cells, and sheets that were not read."""

from typing import Any

from rich.console import Console

from feishu_batch.intents import UpdateMode
from worker.importing.clears import Clears
from worker.importing.table import LineNumbers, Noticed
from worker.importing.wide.notes import TableNotes
from worker.wording import some

SHOWN = 5  # fields


def print_sheet(out: Console, noticed: Noticed) -> None:
    """Notes about the sheet, before any row is read."""
    if noticed.other_sheets:
        _line(out, "sheet", f"{noticed.sheet}; other sheets not read: {', '.join(noticed.other_sheets)} (--sheet NAME)")
    if noticed.hidden_columns:
        _line(out, "hidden", f"hidden columns read as well: {', '.join(noticed.hidden_columns)}")
    if noticed.table:
        _line(out, "columns", _columns(noticed.table))


def _columns(table: TableNotes) -> str:
    shown = [
        f"{name} is {field}{'' if mode == UpdateMode.UPDATE else f', {mode}'}" for name, field, mode in table.columns
    ]
    ignored = [f"ignored: {', '.join(table.ignored)}"] if table.ignored else []
    return "; ".join([*shown, *ignored])


def in_short(table: TableNotes) -> str:
    """What a table says, in numbers."""
    parts = (
        (table.skipped, "empty cell skipped", "empty cells skipped"),
        (table.cleared, "cell clears its field", "cells clear their fields"),
        (table.left_out, "row of the report left out", "rows of the report left out"),
    )
    parts_shown = [some(count, one, several) for count, one, several in parts if count]
    return ", ".join([f"{some(table.cells, 'cell')} to write", *parts_shown])


def print_rows(out: Console, noticed: Noticed, clears: Clears, *, will: bool) -> None:
    """`will`: the rows are not enqueued yet."""
    found = (
        ("hidden", noticed.hidden_read, "hidden row is", "hidden rows are", "included (--hidden include)"),
        ("hidden", noticed.hidden_skipped, "hidden row is", "hidden rows are", "skipped (--hidden skip)"),
        ("merged", noticed.merged, "row takes", "rows take", "the value of a merged cell"),
        (
            "empty",
            noticed.empty_skipped,
            "row without a value is",
            "rows without a value are",
            "skipped (--empty skip)",
        ),
    )
    for name, lines, one, several, what in found:
        if lines.count:
            _line(out, name, f"{some(lines.count, one, several)} {what}: {lines.in_words()}")
    if clears.count:
        _line(out, "clears", _clears(clears, will=will), style="bold")


def _clears(clears: Clears, *, will: bool) -> str:
    verb = ("would clear a field" if will else "clears a field", "would clear a field" if will else "clear a field")
    largest = sorted(clears.by_field.items(), key=lambda pair: -pair[1].count)
    shown = [f"{name} ({some(lines.count, 'row')}: {lines.in_words()})" for name, lines in largest[:SHOWN]]
    more = f"; and {some(len(largest) - SHOWN, 'more field', 'more fields')}" if len(largest) > SHOWN else ""
    head = f"{some(clears.count, 'row')} {verb[clears.count != 1]}: {'; '.join(shown)}{more}"
    return f"{head}. To avoid that: --empty skip or --empty reject" if will else head


def _line(out: Console, name: str, text: str, style: str | None = None) -> None:
    out.print(f"{name:<10} {text}", soft_wrap=True, style=style, markup=False)


def document(noticed: Noticed, clears: Clears) -> dict[str, Any]:
    """Their part of the documented shapes of `plan --json` and `import --json`."""
    return {
        "clears_count": clears.count,
        "clears": clears.document(),
        "noticed": {
            "sheet": noticed.sheet or None,
            "other_sheets": list(noticed.other_sheets),
            "hidden_columns": list(noticed.hidden_columns),
            "hidden_read": _lines(noticed.hidden_read),
            "hidden_skipped": _lines(noticed.hidden_skipped),
            "merged": _lines(noticed.merged),
            "empty_skipped": _lines(noticed.empty_skipped),
        },
        "table": _table_json(noticed.table) if noticed.table else None,
    }


def _table_json(table: TableNotes) -> dict[str, Any]:
    return {
        "rows": table.rows,
        "cells": table.cells,
        "skipped": table.skipped,
        "cleared": table.cleared,
        "left_out": table.left_out,
        "columns": [{"column": name, "field": field, "mode": mode} for name, field, mode in table.columns],
        "ignored": table.ignored,
    }


def _lines(lines: LineNumbers) -> dict[str, Any]:
    return {"rows": lines.count, "lines": lines.first}
