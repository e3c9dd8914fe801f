"""Old and new of every cell that a file would change. Reads, and writes nothing."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from worker.importing.row import Rejected
from worker.reading.cell_verdicts import Effect, Judged, judge
from worker.reading.item_reads import ItemReads, ItemsRead, ReadingRun
from worker.reading.place_words import PlaceWords
from worker.reading.wanted_cells import CellsToRead, ReadPlace, WantedCell, WantedCells, WriteCost
from worker.remote.compare import ABSENT

MOST_REASONS: Final = 50
_OTHER: Final = "other reasons"


@dataclass(frozen=True, slots=True)
class DiffLine:
    """One cell, in words. `old` is None where it was not read; `item` is 0 for a row that is refused as a whole."""

    effect: Effect
    item: int
    item_name: str
    field_name: str
    field_key: str
    old: str | None
    new: str
    reason: str
    place: ReadPlace | None = None
    line: int | None = None  # of the file, where the row or cell was refused


@dataclass(slots=True)
class DiffFigures:
    """Counts of cells by what would happen to them, and reasons of what is not known."""

    effects: Counter[Effect] = field(default_factory=Counter)
    reasons: Counter[tuple[Effect, str]] = field(default_factory=Counter)
    items: int = 0
    requests: int = 0
    failed: int = 0  # requests
    seconds: float = 0.0
    cost: list[WriteCost] = field(default_factory=list)

    def count(self, line: DiffLine) -> None:
        self.effects[line.effect] += 1
        if line.reason and line.effect is not Effect.REFUSED:
            of_reason = (line.effect, line.reason)
            is_new = of_reason not in self.reasons and len(self.reasons) >= MOST_REASONS
            self.reasons[(line.effect, _OTHER) if is_new else of_reason] += 1

    @property
    def cells(self) -> int:
        return sum(count for effect, count in self.effects.items() if effect is not Effect.REFUSED)


class Diff:
    """`wanted` is complete. For one thread; read once."""

    def __init__(self, wanted: WantedCells, reads: Mapping[str, ItemReads], words: PlaceWords) -> None:
        self._wanted = wanted
        self._reads = reads
        self._words = words
        self.figures = DiffFigures()

    def lines(self) -> Iterator[DiffLine]:
        """Item by item; refused rows first. `figures` are complete after the last."""
        figures, began = self.figures, time.monotonic()
        for rejected in self._wanted.refused():
            yield self._counted(_of_rejected(rejected))
        run = ReadingRun(self._reads)
        for asked, answer in run.read(self._wanted.to_read()):
            for line in self._judged(asked, answer):
                yield self._counted(line)
            figures.items += len(asked.items)
            figures.requests, figures.failed = run.requests, run.failed
            figures.seconds = time.monotonic() - began
        figures.cost = self._wanted.cost()

    def _counted(self, line: DiffLine) -> DiffLine:
        self.figures.count(line)
        return line

    def _judged(self, asked: CellsToRead, answer: ItemsRead) -> Iterator[DiffLine]:
        found = [(cell, self._judge(asked.place, cell, answer)) for cell in asked.cells]
        self._words.learn_people(
            asked.place, [(cell.field_key, one) for cell, judged in found for one in (judged.old, judged.new)]
        )
        for cell, judged in found:
            self._wanted.note(cell, is_needed=judged.effect is not Effect.UNCHANGED)
            item = answer.items.get(cell.item)
            yield self._in_words(asked.place, cell, judged, item.name if item else "")

    def _judge(self, place: ReadPlace, cell: WantedCell, answer: ItemsRead) -> Judged:
        field_type = self._words.type_of(place, cell.field_key)
        return judge(cell.field_key, field_type, cell.changes, answer.items.get(cell.item), answer.trouble)

    def _in_words(self, place: ReadPlace, cell: WantedCell, judged: Judged, item_name: str) -> DiffLine:
        def text(value: Any) -> str:
            return self._words.text(place, cell.field_key, value)

        return DiffLine(
            judged.effect,
            cell.item,
            item_name,
            self._words.name_of(place, cell.field_key),
            cell.field_key,
            None if judged.old is ABSENT else text(judged.old),
            text(judged.new),
            judged.reason,
            place,
        )


def _of_rejected(rejected: Rejected) -> DiffLine:
    return DiffLine(
        Effect.REFUSED,
        0,
        "",
        rejected.column or rejected.field or "",
        "",
        None,
        rejected.value or "",
        rejected.reason,
        line=rejected.line,
    )
