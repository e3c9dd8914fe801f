"""Rows of field changes that clear a field: counted separately, because an empty cell may be a mistake."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from feishu_batch.written import Kind, Written
from worker.importing.row import Row
from worker.importing.table import LineNumbers, looks_empty

MOST_FIELDS: Final = 100  # counted separately
_OTHERS: Final = "…"
_EMPTY_JSON: Final = ("", '""', "[]", "{}")


@dataclass(slots=True)
class Clears:
    by_field: dict[str, LineNumbers] = field(default_factory=dict)

    def add(self, rows: Iterable[Row]) -> None:
        for row in rows:
            if not row.is_gathered and is_empty_value(row.intent.after_field_value):
                name = row.intent.field_key
                if name not in self.by_field and len(self.by_field) >= MOST_FIELDS:
                    name = _OTHERS
                self.by_field.setdefault(name, LineNumbers()).add(row.line)

    @property
    def count(self) -> int:
        return sum(lines.count for lines in self.by_field.values())

    def document(self) -> list[dict[str, Any]]:
        return [{"field": name, "rows": lines.count, "lines": lines.first} for name, lines in self.by_field.items()]


def is_empty_value(value: Any) -> bool:
    """Whether writing the value clears a field of any type: a written ``[]`` is an empty list for types that accept JSON."""
    written = Written.of(value)
    if written is not None:
        return written.kind is Kind.TEXT and "".join(written.text.split()) in _EMPTY_JSON
    return value in (None, [], {}) or (isinstance(value, str) and looks_empty(value))
