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
    task_id: str  # of a single update: its own name
    order: int  # the number of the batch or single update, in order of acceptance
    applied: bool
    reason: str = ""


class Cells:
    def __init__(self) -> None:
        self.values: dict[CellKey, Any] = {}
        self.history: dict[CellKey, list[CellWrite]] = {}
        self._updates: dict[tuple[str, int], list[float]] = {}  # (project, item) → when it was updated

    def record(self, cell: CellKey, touch: CellWrite, *, updates_item: bool = True) -> None:
        self.history.setdefault(cell, []).append(touch)
        if touch.applied:
            self.values[cell] = touch.value
            if updates_item:
                self._updates.setdefault((cell.project_key, cell.item_id), []).append(touch.at)

    def updated_at(self, project_key: str, item_id: int, at: float) -> float | None:
        """The last update of the item until then."""
        updates = self._updates.get((project_key, item_id), ())
        return next((one for one in reversed(updates) if one <= at), None)

    def last_write(self, cell: CellKey, at: float) -> CellWrite | None:
        """The change by which the cell held what it held then; None: it was not changed yet."""
        return next((one for one in reversed(self.history.get(cell, ())) if one.applied and one.at <= at), None)

    def clear(self) -> None:
        self.values.clear()
        self.history.clear()
        self._updates.clear()

    def matching(self, project: str | None, item: int | None, field: str | None) -> list[dict[str, Any]]:
        """The history of the matching cells."""
        return [
            {**cell._asdict(), "value": self.values.get(cell), "history": [asdict(touch) for touch in touches]}
            for cell, touches in self.history.items()
            if project in (None, cell.project_key) and item in (None, cell.item_id) and field in (None, cell.field_key)
        ]
