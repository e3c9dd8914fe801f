"""Enqueues rows, a few hundred at a time, each id once."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from feishu_batch import Producer
from worker.importing.journal import Journal, Note, Verdict
from worker.importing.row import Rejected, Row

ROWS_PER_STEP = 500
ITEMS_PER_STEP = 20_000

# For each intent id the digest of its content, or None if the id is not in use.
Digests = Callable[[Sequence[str]], Sequence[str | None]]
# The rows that intake would refuse.
Check = Callable[[Sequence[Row]], Sequence[Rejected]]


@dataclass(frozen=True, slots=True)
class SortedRows:
    """The verdicts on a few hundred rows, each list in the order of the file. The rows are already written."""

    enqueued: list[Row] = field(default_factory=list)
    known: list[Row] = field(default_factory=list)  # an earlier run enqueued them
    repeated: list[Row] = field(default_factory=list)  # an earlier row of this file is the same intent
    rejected: list[Rejected] = field(default_factory=list)
    left_out: list[Rejected] = field(default_factory=list)  # rows of a report that need not be imported

    def notes(self) -> list[Note]:
        """In the order of the file."""
        good = ((Verdict.ENQUEUED, self.enqueued), (Verdict.KNOWN, self.known), (Verdict.REPEATED, self.repeated))
        notes = [
            Note(row.line, verdict, row.intent.intent_id, row.intent.work_item_ids, content=row.intent.to_json())
            for verdict, rows in good
            for row in rows
        ]
        notes += [_rejected(row) for row in self.rejected]
        return sorted(notes, key=lambda note: note.line)


def _rejected(row: Rejected) -> Note:
    content = json.dumps(row.written or {}, default=str)
    return Note(row.line, Verdict.REJECTED, reason=row.reason, content=content)


def enqueue_rows(
    rows: Iterable[Row | Rejected],
    producer: Producer,
    digests: Digests,
    journal: Journal,
    check: Check | None = None,
) -> Iterator[SortedRows]:
    """In the order of the file. Raises `EnqueueError`; repeating the import is always safe, because the ids stay the same."""
    for put in sort_rows(rows, digests, journal, check):
        producer.enqueue_many(row.intent for row in put.enqueued)
        yield put


def sort_rows(
    rows: Iterable[Row | Rejected], digests: Digests, journal: Journal, check: Check | None = None
) -> Iterator[SortedRows]:
    """The rows to enqueue, a few hundred at a time; `digests` is called before the next rows are read.

    The journal stores the ids from the file; the caller adds the notes.
    """
    for step in _steps(rows):
        put = _sort_out(step, digests, journal)
        # Cells of a table were checked before they were gathered.
        if check and (unchecked := [row for row in put.enqueued if not row.is_gathered]):
            _reject(put, check(unchecked))
        yield put


def _steps(rows: Iterable[Row | Rejected]) -> Iterator[list[Row | Rejected]]:
    """Bounded in rows, and in items: a row may have thousands."""
    step: list[Row | Rejected] = []
    items = 0
    for row in rows:
        step.append(row)
        items += len(row.intent.work_item_ids) if isinstance(row, Row) else 0
        if len(step) >= ROWS_PER_STEP or items >= ITEMS_PER_STEP:
            yield step
            step, items = [], 0
    if step:
        yield step


def _reject(put: SortedRows, refused: Sequence[Rejected]) -> None:
    lines = {row.line for row in refused}
    put.enqueued[:] = [row for row in put.enqueued if row.line not in lines]
    put.rejected[:] = sorted([*put.rejected, *refused], key=lambda row: row.line)


def _sort_out(step: Sequence[Row | Rejected], digests: Digests, journal: Journal) -> SortedRows:
    """A row whose id belongs to other content must not stop the others, so it is found before they are written."""
    put = SortedRows()
    ids = [row.intent.intent_id for row in step if isinstance(row, Row)]
    taken = dict(zip(ids, digests(ids), strict=True)) if ids else {}
    for row in step:
        if isinstance(row, Rejected):
            (put.left_out if row.is_left_out else put.rejected).append(row)
        else:
            _place(put, row, taken[row.intent.intent_id], journal)
    return put


def _place(put: SortedRows, row: Row, written: str | None, journal: Journal) -> None:
    """`written`: digest of the intent that an earlier run, or an earlier step of this run, enqueued under this id."""
    digest = row.intent.digest()
    before = journal.named(row.intent.intent_id) if row.names_itself else None
    if (before[0] if before else written) not in (None, digest):
        where = f"in line {before[1]}" if before else "enqueued before"
        reason = f"intent_id: {row.intent.intent_id} is already used for other content, {where}"
        put.rejected.append(Rejected(row.line, reason))
    elif before:
        put.repeated.append(row)
    else:
        (put.known if written else put.enqueued).append(row)
        if row.names_itself:
            journal.name(row.intent.intent_id, digest, row.line)
