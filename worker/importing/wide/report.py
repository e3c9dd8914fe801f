"""The report of a table: its rows as they stand, with their results, to be corrected and imported again."""

from collections.abc import Iterator
from typing import Any, Final

from worker.catalogue.models import Code
from worker.importing.journal import Journal, Verdict
from worker.importing.report_columns import LEFT_OUT
from worker.importing.report_file import REFUSED_CELL, has_lost_its_type
from worker.importing.row_results import NOT_ENQUEUED, NOT_VALID, REJECTED, States, states_of
from worker.importing.wide.header import ABOUT, CODE, LINE, REASON, STATE, Role
from worker.importing.wide.notes import TableNotes
from worker.importing.wide.spool import KeptRow, State
from worker.ledger.reads.ledger import LedgerReads

SKIPPED: Final = "skipped"  # nothing of the row was to be written
# States that need a correction come first.
_WORST: Final = (
    REJECTED,
    "failed",
    "canceled",
    "expired",
    NOT_ENQUEUED,
    "in flight",
    "behind",
    "pending",
    "queued",
    "forgotten",
    "superseded",
    "succeeded",
    "unchanged",
)


def columns_of_report(table: TableNotes) -> list[str]:
    own = [name for name, column in _named(table)]
    return [*ABOUT, *own]


def report_rows(
    table: TableNotes, journal: Journal, reads: LedgerReads | None, user_key: str | None
) -> Iterator[dict[str, Any]]:
    """By column. `reads`: None where nothing was enqueued."""
    for step in journal.steps():
        ids = [note.intent_id for note in step if note.verdict is not Verdict.REJECTED]
        nothing_sent: dict[str, States] = {one: {None: (NOT_ENQUEUED, None, None)} for one in ids}
        found = states_of(reads, ids, user_key) if reads else nothing_sent
        for intent_id, states in found.items():
            table.spool.note_outcomes(intent_id, states)
    for row in table.spool.kept_rows():
        yield _report_row(table, row)


def _named(table: TableNotes) -> list[tuple[str, int]]:
    """The columns of the table itself, with their places."""
    return [
        (one.name, at) for at, one in enumerate(table.header.columns) if one.role not in (Role.ABOUT, Role.NAMELESS)
    ]


def _report_row(table: TableNotes, row: KeptRow) -> dict[str, Any]:
    names = table.header.names
    rejected = table.spool.rejected_in(row.line)
    cells = {names[at]: _worst_of(table, row, at) for at in row.columns}
    cells |= {column: (REJECTED, NOT_VALID, reason) for column, reason in rejected if column}
    of_row = [(REJECTED, NOT_VALID, reason) for column, reason in rejected if not column]
    every = [*of_row, *(state for state in cells.values() if state)]
    state, code, _ = min(every, key=_rank, default=(SKIPPED, None, None))
    reasons = [reason for _, _, reason in of_row if reason]
    reasons += [_reason(name, one, state) for name, one in cells.items() if one and one[2] and one[0] not in LEFT_OUT]
    about = {LINE: row.line, STATE: state, CODE: code, REASON: "; ".join(reasons) or None}
    return {**about, **{name: _cell(table, row.cells.get(at), cells.get(name), state) for name, at in _named(table)}}


def _reason(name: str, cell: State, of_row: str) -> str:
    """With the column, and the cell's own state where the row's is a worse one."""
    state, _, reason = cell
    words = (reason or "").removeprefix(f"{name}: ")
    return f"{name}: {words}" if state == of_row else f"{name}: {state}: {words}"


def _worst_of(table: TableNotes, row: KeptRow, at: int) -> State | None:
    states = [one for item in row.items for one in table.spool.states_of(row.columns[at], item)]
    return min(states, key=_rank) if states else None


def _rank(state: State) -> int:
    return _WORST.index(state[0]) if state[0] in _WORST else len(_WORST)


def _cell(table: TableNotes, written: Any, outcome: State | None, state: str) -> Any:
    """Where empty cells are skipped, what is done need not be sent again with what is not."""
    if outcome is None:
        return written
    if outcome[0] in LEFT_OUT:
        return None if table.skips_empty and state not in LEFT_OUT else written
    was_refused = outcome[0] == REJECTED or outcome[1] == Code.BAD_VALUE
    return REFUSED_CELL if was_refused and has_lost_its_type(written) else written
