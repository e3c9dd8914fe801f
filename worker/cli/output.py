"""How the commands write: tables for people, JSON for programs."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from feishu_batch.written import untagged
from worker.ledger.trouble import Trouble

# A file or a pipe has no width of its own; folding lines at rich's 80 columns would only hinder grep.
_WIDTH_WITHOUT_TERMINAL = 200
# Columns of what people give to other commands: on a narrow terminal the others fold.
_COPIED = frozenset({"code", "key", "retry of"})


def console(*, stderr: bool = False) -> Console:
    out = Console(stderr=stderr, highlight=False, emoji=False, markup=False)
    if not out.is_terminal:
        out = Console(stderr=stderr, highlight=False, emoji=False, markup=False, width=_WIDTH_WITHOUT_TERMINAL)
    return out


def print_json(out: Console, document: Any) -> None:
    """Not with the console's own printing, which would wrap and colour it."""
    out.file.write(json.dumps(document, ensure_ascii=False, indent=2) + "\n")


def table(headings: Iterable[str], rows: Iterable[Iterable[object]], title: str | None = None) -> Table:
    # What the remote system or a file says is text and never markup.
    shown = Table(box=None, pad_edge=False, title=title, title_justify="left", title_style="bold", header_style="dim")
    for heading in headings:
        shown.add_column(heading, overflow="fold", no_wrap=heading in _COPIED)
    for row in rows:
        shown.add_row(*(Text(str(cell)) for cell in row))
    return shown


def duration(seconds: float) -> str:
    """About: ``8 s``, ``3 min``, ``2.5 h``."""
    if seconds < 100:  # noqa: PLR2004 - as the docstring shows
        return f"{seconds:.0f} s"
    if seconds < 100 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def some(count: int, noun: str, plural: str = "") -> str:
    """``1 row``, ``2 rows``, ``2 batches``."""
    return f"{count} {noun if count == 1 else plural or noun + 's'}"


def as_json(value: object, most: int = 60) -> str:
    """A field's value as its producer wrote it, cut to so many characters."""
    text = json.dumps(untagged(value), ensure_ascii=False)
    return text if len(text) <= most else text[:most] + "…"


def iso(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def first_few(things: Iterable[object], most: int = 5) -> str:
    """Each thing once."""
    listed = list(dict.fromkeys(str(thing) for thing in things))
    more = f" … and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more


def trouble_json(trouble: Trouble, age: float) -> dict[str, object]:
    return {"what": trouble.what, "for": round(age, 1), "error": trouble.error}
