"""Writes that were open at the same time and shared a cell."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from sandbox.cells import CellKey
from sandbox.core import SingleUpdate
from sandbox.jobs import Job
from sandbox.values import UPDATE


class OpenWrite(NamedTuple):
    """A job or a single update. `cells`: what it does to each cell that it changes: (mode, before, after)."""

    order: int
    name: str
    arrived_at: float
    ends_at: float  # it changes no more cells afterwards
    cells: Mapping[CellKey, tuple[str, Any, Any]]


class OverlappingWrites(NamedTuple):
    earlier: OpenWrite
    later: OpenWrite
    cell: CellKey

    @property
    def is_repeat(self) -> bool:
        return self.earlier.cells[self.cell] == self.later.cells[self.cell]


def of_job(job: Job) -> OpenWrite:
    update = job.update
    change = (update.mode, update.before, update.after)
    cells = {CellKey(update.project_key, item, update.field_key): change for _, item in job.landings}
    return OpenWrite(job.order, job.task_id, job.arrived_at, job.last_landing_at, cells)


def of_single(update: SingleUpdate) -> OpenWrite:
    cells = {
        CellKey(update.project_key, update.item_id, field): (UPDATE, None, value)
        for field, value in update.values.items()
    }
    return OpenWrite(update.order, update.name, update.arrived_at, update.done_at, cells)


def overlapping(writes: Iterable[OpenWrite]) -> Iterator[OverlappingWrites]:
    """Pairs, earlier first, of which the later arrived while the earlier could still change one of its cells."""
    open_on: dict[CellKey, list[OpenWrite]] = {}
    found: set[tuple[int, int]] = set()
    for later in sorted(writes, key=lambda write: write.arrived_at):
        for cell in later.cells:
            still_open = [one for one in open_on.get(cell, ()) if one.ends_at > later.arrived_at]
            for earlier in still_open:
                if (earlier.order, later.order) not in found:
                    found.add((earlier.order, later.order))
                    yield OverlappingWrites(earlier, later, cell)
            open_on[cell] = [*still_open, later]
