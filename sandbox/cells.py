"""The value of every cell and its history of changes."""

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple


class CellKey(NamedTuple):
    project_key: str
    item_id: int
    field_key: str


@dataclass(frozen=True)
class CellWrite:
    at: float
    value: Any  # what the cell held afterwards
    task_id: str
    order: int  # the number of the batch, in order of acceptance
    applied: bool
    reason: str = ""


class Cells:
    def __init__(self) -> None:
        self.values: dict[CellKey, Any] = {}
        self.history: dict[CellKey, list[CellWrite]] = {}

    def record(self, cell: CellKey, touch: CellWrite) -> None:
        self.history.setdefault(cell, []).append(touch)
        if touch.applied:
            self.values[cell] = touch.value

    def last_write(self, cell: CellKey, at: float) -> CellWrite | None:
        """The change by which the cell held what it held then; None: it was not changed yet."""
        return next((one for one in reversed(self.history.get(cell, ())) if one.applied and one.at <= at), None)

    def clear(self) -> None:
        self.values.clear()
        self.history.clear()

    def matching(self, project: str | None, item: int | None, field: str | None) -> list[dict[str, Any]]:
        """The history of the matching cells."""
        return [
            {**cell._asdict(), "value": self.values.get(cell), "history": [asdict(touch) for touch in touches]}
            for cell, touches in self.history.items()
            if project in (None, cell.project_key) and item in (None, cell.item_id) and field in (None, cell.field_key)
        ]
