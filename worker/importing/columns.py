"""The meaning of the columns: the header of a CSV file or of a sheet."""

import re
import unicodedata
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Final

from worker.importing.cells import ALIASES, OPTIONAL, REQUIRED
from worker.importing.report_columns import OF_REPORT

_KNOWN: Final = (*REQUIRED, *OPTIONAL)
_TAKEN: Final = frozenset({*_KNOWN, *OF_REPORT})
_CLOSE_ENOUGH: Final = 0.5  # for difflib: there are few names, and a wrong hint costs little
_MOST_NAMED: Final = 100  # unknown columns in one message
_SHOWN: Final = 40  # characters of a name
# Names that people use for a column and that difflib would not match.
_MEANT: Final = {
    "id": "work_item_ids",
    "空间": "project_key",
    "项目": "project_key",
    "space": "project_key",
    "类型": "work_item_type_key",
    "工作项类型": "work_item_type_key",
    "type": "work_item_type_key",
    "工作项": "work_item_ids",
    "工作项id": "work_item_ids",
    "字段": "field_key",
    "字段名": "field_key",
    "字段名称": "field_key",
    "更新方式": "update_mode",
    "更新模式": "update_mode",
    "值": "after_field_value",
    "新值": "after_field_value",
    "字段值": "after_field_value",
    "value": "after_field_value",
    "旧值": "before_field_value",
    "原值": "before_field_value",
    "备注": "note",
}
_LONG: Final = "A long file has one row per field change"
_WIDE: Final = (
    "A table has a row per work item and a column per field: call the column with the ids work_item_id, or name it with"
    " --id-column, and give --space and --type"
)


class ImportFileError(Exception):
    """The whole file cannot be used; no row was enqueued."""


class UnansweredFileError(ImportFileError):
    """Feishu Project would have to say what the columns are, and does not answer."""


def columns_of(header: Sequence[str]) -> list[str]:
    """The columns' names as keys of an intent, without unnamed columns at the end. Raises `ImportFileError`."""
    names = [folded(name) for name in header]
    while names and not names[-1]:  # spreadsheets leave empty columns at the end
        names.pop()
    if not names:
        raise ImportFileError(f"it is empty; its first line must name the columns: {', '.join(REQUIRED)}")
    columns = [ALIASES.get(name, name) for name in names]
    if problems := [*_missing(columns), *_unknown(header, columns), *_twice(header, columns)]:
        parts = [f"the header {'; it '.join(problems)}", f"{_LONG}, with the columns {', '.join(REQUIRED)}"]
        parts[-1] += f"; optional: {', '.join(OPTIONAL)}"
        if not {"field_key", "after_field_value"} & {_nearest(name) for name in columns}:
            parts.append(_WIDE)
        raise ImportFileError(". ".join(parts))
    return columns


def folded(name: str) -> str:
    """In the form of the known names: without invisible characters, in lower case, words joined by one _."""
    seen = "".join(one for one in unicodedata.normalize("NFKC", name) if unicodedata.category(one) != "Cf")
    return "_".join(word for word in re.split(r"[\s_-]+", seen.lower()) if word)


def _missing(columns: Sequence[str]) -> list[str]:
    missing = ", ".join(name for name in REQUIRED if name not in columns)
    return [f"lacks {missing}"] if missing else []


def _unknown(header: Sequence[str], columns: Sequence[str]) -> list[str]:
    unknown = [
        f"{_shown(written)}{_hint(name)}" for written, name in zip(header, columns, strict=False) if name not in _TAKEN
    ]
    if not unknown:
        return []
    more = [f"and {len(unknown) - _MOST_NAMED} more"] if len(unknown) > _MOST_NAMED else []
    word = "column" if len(unknown) == 1 else "columns"
    return [f"has the unknown {word} {', '.join([*unknown[:_MOST_NAMED], *more])}"]


def _twice(header: Sequence[str], columns: Sequence[str]) -> list[str]:
    problems = []
    for name in dict.fromkeys(name for name in columns if name in _TAKEN and columns.count(name) > 1):
        written = [_shown(one) for one, meant in zip(header, columns, strict=False) if meant == name]
        problems.append(f"names {name} twice ({' and '.join(written[:3])})")
    return problems


def _hint(name: str) -> str:
    near = _nearest(name)
    return f" (perhaps {near})" if near else ""


def _nearest(name: str) -> str:
    """The most similar column name; empty if none is similar."""
    near = _MEANT.get(name) or next(iter(get_close_matches(name, (*_KNOWN, *ALIASES), n=1, cutoff=_CLOSE_ENOUGH)), "")
    return ALIASES.get(near, near)


def _shown(written: str) -> str:
    """As written in the file, with invisible characters escaped."""
    return repr(written if len(written) <= _SHOWN else written[:_SHOWN] + "…") if written.strip() else "without a name"
