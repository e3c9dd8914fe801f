"""How the commands write: tables for people, JSON for programs."""

import json
from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from worker.ledger.last_errors import LastError

# A file or a pipe has no width; wrapping lines at rich's 80 columns would break grep.
_WIDTH_WITHOUT_TERMINAL = 200
# People copy these columns into other commands: on a narrow terminal only the other columns wrap.
_COPIED = frozenset({"code", "key", "retry of"})


def console(*, stderr: bool = False) -> Console:
    out = Console(stderr=stderr, highlight=False, emoji=False, markup=False)
    if not out.is_terminal:
        out = Console(stderr=stderr, highlight=False, emoji=False, markup=False, width=_WIDTH_WITHOUT_TERMINAL)
    return out


def print_json(out: Console, document: Any) -> None:
    """Not printed by the console, which would wrap and colour the text."""
    out.file.write(json.dumps(document, ensure_ascii=False, indent=2) + "\n")


def table(headings: Iterable[str], rows: Iterable[Iterable[object]], title: str | None = None) -> Table:
    # Text from the remote system or a file is never markup.
    shown = Table(box=None, pad_edge=False, title=title, title_justify="left", title_style="bold", header_style="dim")
    for heading in headings:
        shown.add_column(heading, overflow="fold", no_wrap=heading in _COPIED)
    for row in rows:
        shown.add_row(*(Text(str(cell)) for cell in row))
    return shown


def trouble_json(trouble: LastError, age: float) -> dict[str, object]:
    return {"what": trouble.what, "for": round(age, 1), "error": trouble.error}
