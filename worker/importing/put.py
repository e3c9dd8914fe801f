"""Rows into the inbox, a few hundred at a time, each id once."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from feishu_batch import Producer
from worker.importing.journal import Journal, Note, Verdict
from worker.importing.row import Rejected, Row

ROWS_PER_STEP = 500

# Of each intent id the digest of its content, or None for an id that is not taken.
Digests = Callable[[Sequence[str]], Sequence[str | None]]
# Those of the rows that would be refused after they were enqueued.
Check = Callable[[Sequence[Row]], Sequence[Rejected]]


@dataclass(frozen=True, slots=True)
class Put:
    """What became of a few hundred rows, each list in the order of the file: they are written when this is handed out."""

    enqueued: list[Row] = field(default_factory=list)
    known: list[Row] = field(default_factory=list)  # an earlier run enqueued them
    repeated: list[Row] = field(default_factory=list)  # an earlier row of this file is the same intent
    rejected: list[Rejected] = field(default_factory=list)
    left_out: list[Rejected] = field(default_factory=list)  # rows of a report that need no import

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


def put_rows(
    rows: Iterable[Row | Rejected],
    producer: Producer,
    digests: Digests,
    journal: Journal,
    check: Check | None = None,
) -> Iterator[Put]:
    """In the order of the file. Raises `EnqueueError`; to run again is always safe, because the ids stay the same."""
    for put in sorted_out(rows, digests, journal, check):
        producer.enqueue_many(row.intent for row in put.enqueued)
        yield put


def sorted_out(
    rows: Iterable[Row | Rejected], digests: Digests, journal: Journal, check: Check | None = None
) -> Iterator[Put]:
    """What would be enqueued, a few hundred rows at a time; `digests` is asked before the next ones are read.

    The journal keeps the ids that the file gives; the notes are the caller's to add.
    """
    source = iter(rows)
    while step := list(islice(source, ROWS_PER_STEP)):
        put = _sort_out(step, digests, journal)
        if check and put.enqueued:
            _reject(put, check(put.enqueued))
        yield put


def _reject(put: Put, refused: Sequence[Rejected]) -> None:
    lines = {row.line for row in refused}
    put.enqueued[:] = [row for row in put.enqueued if row.line not in lines]
    put.rejected[:] = sorted([*put.rejected, *refused], key=lambda row: row.line)


def _sort_out(step: Sequence[Row | Rejected], digests: Digests, journal: Journal) -> Put:
    """One row whose id belongs to another content must not sink the others, so it is found before they are written."""
    put = Put()
    ids = [row.intent.intent_id for row in step if isinstance(row, Row)]
    taken = dict(zip(ids, digests(ids), strict=True)) if ids else {}
    for row in step:
        if isinstance(row, Rejected):
            (put.left_out if row.is_left_out else put.rejected).append(row)
        else:
            _place(put, row, taken[row.intent.intent_id], journal)
    return put


def _place(put: Put, row: Row, written: str | None, journal: Journal) -> None:
    """`written`: digest of what an earlier run, or an earlier step of this one, enqueued under this id."""
    digest = row.intent.digest()
    before = journal.named(row.intent.intent_id) if row.names_itself else None
    if (before[0] if before else written) not in (None, digest):
        where = f"that of line {before[1]}" if before else "enqueued before"
        reason = f"intent_id: {row.intent.intent_id} is taken by another content, {where}"
        put.rejected.append(Rejected(row.line, reason))
    elif before:
        put.repeated.append(row)
    else:
        (put.known if written else put.enqueued).append(row)
        if row.names_itself:
            journal.name(row.intent.intent_id, digest, row.line)
