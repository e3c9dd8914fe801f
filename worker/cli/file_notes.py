"""What `plan` and `import` say about a file besides its rows: what it clears, hides, merges, and what was not read of it."""

from typing import Any

from rich.console import Console

from worker.cli.output import some
from worker.importing.clears import Clears
from worker.importing.table import Lines, Noticed

SHOWN = 5  # fields


def print_sheet(out: Console, noticed: Noticed) -> None:
    """What is known before the first row."""
    if noticed.other_sheets:
        _line(out, "sheet", f"{noticed.sheet}; other sheets not read: {', '.join(noticed.other_sheets)} (--sheet NAME)")
    if noticed.hidden_columns:
        _line(out, "hidden", f"hidden columns read as well: {', '.join(noticed.hidden_columns)}")


def print_rows(out: Console, noticed: Noticed, clears: Clears, *, will: bool) -> None:
    """`will`: nothing is enqueued yet."""
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
            _line(out, name, f"{some(lines.count, one, several)} {what}: {lines.told()}")
    if clears.count:
        _line(out, "clears", _clears(clears, will=will), style="bold")


def _clears(clears: Clears, *, will: bool) -> str:
    verb = ("would clear a field" if will else "clears a field", "would clear a field" if will else "clear a field")
    largest = sorted(clears.by_field.items(), key=lambda pair: -pair[1].count)
    told = [f"{name} ({some(lines.count, 'row')}: {lines.told()})" for name, lines in largest[:SHOWN]]
    more = f"; and {some(len(largest) - SHOWN, 'more field', 'more fields')}" if len(largest) > SHOWN else ""
    head = f"{some(clears.count, 'row')} {verb[clears.count != 1]}: {'; '.join(told)}{more}"
    return f"{head}. If that is not meant: --empty skip or --empty reject" if will else head


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
    }


def _lines(lines: Lines) -> dict[str, Any]:
    return {"rows": lines.count, "lines": lines.first}
