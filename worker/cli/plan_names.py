"""The additions of `feishu-batch plan --check`: what each name means, and which rows intake would refuse."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from rich.console import Console

from worker.catalogue.checks import changed_parts
from worker.catalogue.gate import CatalogueGate
from worker.catalogue.models import Refusal
from worker.cli.output import table
from worker.importing.row import Rejected, Row
from worker.reading.field_lookup import FieldLookup
from worker.wording import as_json, first_few, some

SHOWN = 20  # names
LISTED = 1000

_PARTS = {"project_key": "space", "field_key": "field", "before_field_value": "before", "after_field_value": "value"}


@dataclass(frozen=True, slots=True)
class Meaning:
    """A part of an intent as it was written, and as it is sent to the remote system."""

    part: str
    field_key: str
    given: str
    sent: str


@dataclass(slots=True)
class NameCheck:
    """The same checks as intake, row by row."""

    catalogues: FieldLookup
    shows_meanings: bool = True
    meanings: dict[Meaning, int] = field(default_factory=dict)  # number of rows with it
    unchecked: list[str] = field(default_factory=list)  # why rows could not be checked
    unchecked_lines: list[int] = field(default_factory=list)  # the first of them

    def sorted_out(self, rows: Sequence[Row]) -> tuple[list[Row], list[Rejected]]:
        """The rows as they would be sent, and those that would be refused."""
        configured = self.catalogues.configured
        faulty = {lane.name for lane in configured.refused}
        gate = CatalogueGate(self.catalogues.lanes, configured.route, self.unchecked.append, faulty)
        good: list[Row] = []
        refused: list[Rejected] = []
        for row in rows:
            before = len(self.unchecked)
            checked = gate.check(row.intent)
            if len(self.unchecked) > before and len(self.unchecked_lines) < SHOWN:
                self.unchecked_lines.append(row.line)
            if isinstance(checked, Refusal):
                refused.append(Rejected(row.line, f"{checked.code}: {checked.reason}"))
                continue
            for name, (given, sent) in changed_parts(row.intent, checked).items():
                field_key = "" if name == "project_key" else checked.field_key  # a space means the same for every field
                meaning = Meaning(_PARTS[name], field_key, as_json(given), as_json(sent))
                self.meanings[meaning] = self.meanings.get(meaning, 0) + 1
            good.append(replace(row, intent=checked))
        return good, refused

    def refused(self, rows: Sequence[Row]) -> list[Rejected]:
        """The rows that intake would refuse, including those without a lane."""
        good, unfit = self.sorted_out(rows)
        return unfit + [one for row in good if (one := self._without_lane(row))]

    def _without_lane(self, row: Row) -> Rejected | None:
        try:
            self.catalogues.configured.route(row.intent.lane, row.intent.project_key)
        except ValueError as error:
            return Rejected(row.line, str(error))
        return None

    def print_unchecked(self, out: Console) -> None:
        if self.unchecked:
            rows = some(len(self.unchecked), "row")
            lines = first_few(self.unchecked_lines)
            what = f"{rows} could not be checked, and were read without the field's type (lines {lines})"
            out.print(f"warning    {what}: {self.unchecked[-1]}", soft_wrap=True)

    def print_to(self, out: Console) -> None:
        self.print_unchecked(out)
        if not self.shows_meanings:
            return
        if self.meanings:
            rows = ((m.part, m.given, m.sent, m.field_key, count) for m, count in self._listed(SHOWN))
            out.print()
            out.print(table(("name of", "as written", "means", "field", "rows"), rows))
        if len(self.meanings) > SHOWN:
            out.print(f"… and {len(self.meanings) - SHOWN} more (--json lists {LISTED})")

    def document(self) -> dict[str, Any]:
        listed = [
            {"part": m.part, "given": m.given, "sent": m.sent, "field_key": m.field_key or None, "rows": count}
            for m, count in self._listed(LISTED)
        ]
        return {"names": listed, "unchecked_count": len(self.unchecked), "unchecked_lines": self.unchecked_lines}

    def _listed(self, most: int) -> Iterable[tuple[Meaning, int]]:
        order = list(_PARTS.values())
        return sorted(self.meanings.items(), key=lambda one: (order.index(one[0].part), -one[1], one[0].given))[:most]
