"""Which column of a table means what: the header of a CSV file or of a sheet."""

import re
from collections.abc import Sequence
from difflib import get_close_matches

from worker.importing.cells import ALIASES, OPTIONAL, REQUIRED

_KNOWN = (*REQUIRED, *OPTIONAL)


class ImportFileError(Exception):
    """The file as a whole cannot be used; nothing of it was enqueued."""


def columns_of(header: Sequence[str]) -> list[str]:
    """The columns' names as an intent has them. Raises `ImportFileError`."""
    names = ["_".join(re.split(r"[\s_-]+", name.strip().lower())) for name in header]
    columns = [ALIASES.get(name, name) for name in names]
    while columns and not columns[-1]:  # spreadsheets leave empty columns at the end
        columns.pop()
    if not columns:
        raise ImportFileError(f"the file is empty; its first line has to name the columns: {', '.join(REQUIRED)}")
    missing = ", ".join(name for name in REQUIRED if name not in columns)
    problems = [f"misses {missing}"] if missing else []
    problems += [f"has the unknown column {name!r}{_hint(name)}" for name in columns if name not in _KNOWN]
    problems += [f"names {name} twice" for name in dict.fromkeys(columns) if columns.count(name) > 1]
    if problems:
        raise ImportFileError(
            f"the header {'; '.join(problems[:5])}. Columns: {', '.join(REQUIRED)}; optional: {', '.join(OPTIONAL)}"
        )
    return columns


def _hint(name: str) -> str:
    near = get_close_matches(name, _KNOWN, n=1)
    return f" (perhaps {near[0]})" if near else ""
