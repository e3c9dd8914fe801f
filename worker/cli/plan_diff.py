"""`feishu-batch plan --diff`: what each cell holds now, and what it would hold."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from config.lookups import time_zone
from worker.cli.errors import DONE, SOME_FAILED, UNREACHABLE, InterruptedByUserError
from worker.cli.output import table
from worker.cli.progress import items_bar
from worker.importing.columns import ImportFileError
from worker.importing.report_file import check_report
from worker.importing.row import Rejected, Row
from worker.operating.errors import WrongUseError
from worker.operating.session import Session
from worker.reading.cell_verdicts import Effect
from worker.reading.diff import Diff, DiffLine
from worker.reading.diff_report import diff_row, write_diff
from worker.reading.field_lookup import FieldLookup
from worker.reading.place_words import PlaceWords
from worker.reading.wanted_cells import WantedCells, WriteCost
from worker.wording import duration, some

SHOWN: Final = 20  # cells
LISTED: Final = 1000
REASONS_SHOWN: Final = 5
_LONGEST: Final = 60  # characters of a value on the screen
_WORTH_SHOWING: Final = (Effect.CHANGED, Effect.CLEARED)
_NOUNS: Final = {
    Effect.CHANGED: "changed",
    Effect.CLEARED: "cleared",
    Effect.UNCHANGED: "unchanged",
    Effect.NOT_KNOWN: "not known",
    Effect.NO_ITEM: "of items that do not exist",
}


def checked_report(path: Path | None, source: str) -> None:
    """Before anything is read. Raises `WrongUseError`."""
    if path is None:
        return
    try:
        check_report(path, source)
    except ImportFileError as error:
        raise WrongUseError(f"{error}. Nothing was read.") from None


@dataclass(slots=True)
class PlanDiff:
    """`add` and `refuse` while the file is read, then `run`."""

    session: Session
    lookup: FieldLookup
    report: Path | None
    wanted: WantedCells = field(default_factory=WantedCells)
    first: list[DiffLine] = field(default_factory=list)  # changed or cleared cells
    diff: Diff = field(init=False)

    def __post_init__(self) -> None:
        words = PlaceWords(self.lookup.lanes, time_zone(self.session.settings.time_zone))
        self.diff = Diff(self.wanted, self.lookup.reads, words)

    def add(self, rows: Iterable[Row]) -> None:
        now = time.time()
        for row in rows:
            intent = row.intent
            if intent.expires_at is not None and intent.expires_at.timestamp() <= now:
                continue  # it would not be sent
            self.wanted.add(intent, self.lookup.configured.route(intent.lane, intent.project_key))

    def refuse(self, rows: Iterable[Rejected]) -> None:
        for row in rows:
            self.wanted.refuse(row)

    def run(self, aside: Console) -> None:
        """Reads every cell, and writes the report."""
        try:
            with self.wanted, items_bar(aside, self.wanted.count_items()) as show:
                lines = self._noted(self.diff.lines(), show)
                if self.report:
                    write_diff(self.report, lines)
                else:
                    for _ in lines:
                        pass
        except KeyboardInterrupt:
            raise InterruptedByUserError("Stopped while reading. Nothing was written, and no report either.") from None
        except OSError as error:
            raise WrongUseError(f"--report {self.report}: cannot be written: {error.strerror or error}") from None

    def _noted(self, lines: Iterator[DiffLine], show: Callable[[int], None]) -> Iterator[DiffLine]:
        for line in lines:
            if line.effect in _WORTH_SHOWING and len(self.first) < LISTED:
                self.first.append(line)
            show(self.diff.figures.items)
            yield line

    @property
    def exit_code(self) -> int:
        figures = self.diff.figures
        if figures.requests and figures.failed == figures.requests:
            return UNREACHABLE
        has_trouble = figures.failed or figures.effects[Effect.NO_ITEM] or figures.effects[Effect.REFUSED]
        return SOME_FAILED if has_trouble else DONE

    # --- what is shown ----------------------------------------------------------------------------------------------

    def print_to(self, out: Console) -> None:
        figures = self.diff.figures
        parts = [f"{figures.effects[effect]} {noun}" for effect, noun in _NOUNS.items() if figures.effects[effect]]
        out.print()
        out.print(f"cells      {figures.cells}{': ' if parts else ''}{', '.join(parts)}", soft_wrap=True)
        failed = f", {figures.failed} of them failed" if figures.failed else ""
        took = f"{some(figures.requests, 'request')} for {some(figures.items, 'item')}, {duration(figures.seconds)}"
        out.print(f"read       {took}{failed}", soft_wrap=True)
        for cost in figures.cost:
            out.print(f"write      {self._cost(cost)}", soft_wrap=True)
        self._print_reasons(out)
        self._print_cells(out)
        if self.report:
            out.print(f"report     {self.report}", soft_wrap=True)

    def _cost(self, cost: WriteCost) -> str:
        lane = f"lane {cost.lane}: " if len(self.diff.figures.cost) > 1 else ""
        settings = self.session.settings
        slot, alone = settings.slot_seconds, " by batches alone" if settings.single_updates_per_second else ""
        all_of_it = f"{lane}{some(cost.requests, 'request')}{alone}, at least {duration(cost.requests * slot)}"
        if cost.needed == cost.requests:
            return all_of_it
        needed = f"{some(cost.needed, 'request')}, at least {duration(cost.needed * slot)}"
        return f"{all_of_it}; without the unchanged cells {needed}"

    def _print_reasons(self, out: Console) -> None:
        reasons = self.diff.figures.reasons.most_common()
        for (effect, reason), count in reasons[:REASONS_SHOWN]:
            out.print(f"{effect:<10} {some(count, 'cell')}: {reason}", soft_wrap=True)
        if (more := len(reasons) - REASONS_SHOWN) > 0:
            out.print(f"           … and {some(more, 'more reason')} (--json lists them)")

    def _print_cells(self, out: Console) -> None:
        if not self.first:
            return
        out.print()
        out.print(table(("item", "name", "field", "old", "", "new"), map(_shown, self.first[:SHOWN])))
        effects = self.diff.figures.effects
        if (more := sum(effects[one] for one in _WORTH_SHOWING) - SHOWN) > 0:
            where = "" if self.report else " (--report FILE lists all)"
            out.print(f"… and {some(more, 'more cell')}{where}")

    def document(self) -> dict[str, Any]:
        """The documented shape."""
        figures = self.diff.figures
        return {
            "cells": figures.cells,
            "changed": figures.effects[Effect.CHANGED],
            "cleared": figures.effects[Effect.CLEARED],
            "unchanged": figures.effects[Effect.UNCHANGED],
            "not_known": figures.effects[Effect.NOT_KNOWN],
            "no_such_item": figures.effects[Effect.NO_ITEM],
            "refused": figures.effects[Effect.REFUSED],
            "reasons": [
                {"effect": str(effect), "reason": reason, "cells": count}
                for (effect, reason), count in figures.reasons.most_common()
            ],
            "read": {
                "items": figures.items,
                "requests": figures.requests,
                "failed": figures.failed,
                "seconds": round(figures.seconds, 1),
            },
            "write": [self._cost_json(cost) for cost in figures.cost],
            "listed": [diff_row(line) for line in self.first],
        }

    def _cost_json(self, cost: WriteCost) -> dict[str, Any]:
        slot = self.session.settings.slot_seconds
        return {
            "lane": cost.lane,
            "requests": cost.requests,
            "seconds": round(cost.requests * slot, 1),
            "requests_without_unchanged": cost.needed,
            "seconds_without_unchanged": round(cost.needed * slot, 1),
        }


def _shown(line: DiffLine) -> Sequence[object]:
    new = "(empty)" if line.effect is Effect.CLEARED else _cut(line.new)
    return line.item, _cut(line.item_name), line.field_name, _cut(line.old or "") or "(empty)", "→", new


def _cut(text: str) -> str:
    one_line = " ".join(text.split())
    return one_line if len(one_line) <= _LONGEST else one_line[:_LONGEST] + "…"
