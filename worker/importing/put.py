"""Rows into the inbox, a few hundred at a time, each id once."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

from feishu_batch import Producer, UpdateIntent
from worker.importing.rows import Rejected, Row

ROWS_PER_STEP = 500

# Of each intent id the digest of its content, or None for an id that is not taken.
Digests = Callable[[Sequence[str]], Sequence[str | None]]


@dataclass(frozen=True, slots=True)
class Put:
    """What became of a few hundred rows: they are written when this is handed out."""

    enqueued: list[Row] = field(default_factory=list)
    known: list[Row] = field(default_factory=list)  # enqueued by an earlier run of the same file, or twice in it
    rejected: list[Rejected] = field(default_factory=list)


def put_rows(rows: Iterable[Row | Rejected], producer: Producer, digests: Digests) -> Iterator[Put]:
    """In the order of the file. Raises `EnqueueError`; to run again is always safe, because the ids stay the same."""
    for put in sorted_out(rows, digests):
        producer.enqueue_many(row.intent for row in put.enqueued)
        yield put


def sorted_out(rows: Iterable[Row | Rejected], digests: Digests) -> Iterator[Put]:
    """What would be enqueued, a few hundred rows at a time; `digests` is asked before the next ones are read."""
    source = iter(rows)
    while step := list(islice(source, ROWS_PER_STEP)):
        yield _sort_out(step, digests)


def _sort_out(step: Sequence[Row | Rejected], digests: Digests) -> Put:
    """One row whose id belongs to another content must not sink the others, so it is found before they are written."""
    put = Put(rejected=[row for row in step if isinstance(row, Rejected)])
    rows = [row for row in step if isinstance(row, Row)]
    taken = dict(zip(ids := [row.intent.intent_id for row in rows], digests(ids), strict=True)) if rows else {}
    for row in rows:
        _place(put, row, taken)
    return put


def _place(put: Put, row: Row, taken: dict[str, str | None]) -> None:
    intent: UpdateIntent = row.intent
    digest, before = intent.digest(), taken[intent.intent_id]
    if before is None:
        taken[intent.intent_id] = digest
        put.enqueued.append(row)
    elif before == digest:
        put.known.append(row)
    else:
        put.rejected.append(Rejected(row.line, f"intent_id: {intent.intent_id} is taken by another content"))
