"""Carries one run out: from its file, command or table into the inbox, with ids that a repetition finds again."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from hashlib import blake2b
from pathlib import Path

from redis.exceptions import LockError
from redis.lock import Lock

from config.schedules import ScheduleEntry
from feishu_batch import Producer
from worker.heartbeat import Heartbeat
from worker.importing.columns import ImportFileError
from worker.importing.encoding import text_encoding
from worker.importing.journal import Journal
from worker.importing.put import Put, put_rows
from worker.importing.row import Rejected, Row
from worker.importing.row_ids import each_with_its_id
from worker.importing.rows import Format, read_rows
from worker.importing.source import opened
from worker.importing.table import AS_USUAL, Empty, Hidden, Table
from worker.scheduling.command import CommandError, output_of
from worker.scheduling.records import Record, Run, RunState, record_of
from worker.scheduling.store import HOLD, Schedules

SIGNS_PER_HOLD = 5
LONGEST_REASON = 1500
Rows = Iterator[Row | Rejected]


class RunLostError(Exception):
    """Somebody else carries the run out by now: this process was silent for too long."""


@dataclass(slots=True)
class _Tally:
    intents: int = 0
    rejected: int = 0
    reasons: list[str] = field(default_factory=list)

    def take(self, put: Put) -> list[str]:
        """The ids of what is in the inbox now."""
        if put.rejected and not self.rejected:
            self.reasons.append(f"line {put.rejected[0].line}: {put.rejected[0].reason}")
        ids = [row.intent.intent_id for row in (*put.enqueued, *put.known)]
        self.intents += len(ids)
        self.rejected += len(put.rejected)
        return ids

    def outcome(self, run: Run, now: float) -> Run:
        told = f"{self.rejected} {'row' if self.rejected == 1 else 'rows'} rejected; " if self.rejected else ""
        reason = f"{told}{'; '.join(self.reasons)}"[:LONGEST_REASON]
        done = replace(run, intents=self.intents, rejected=self.rejected, reason=reason)
        if self.intents:
            return replace(done, state=RunState.OPEN)
        return replace(done, state=RunState.FAILED if reason else RunState.ENDED, ended_at=now)


class Runner:
    def __init__(
        self,
        store: Schedules,
        client: Callable[[], Producer],
        now: Callable[[], float] = time.time,
        zone: tzinfo = AS_USUAL.zone,
    ) -> None:
        """`zone`: in which the dates of workbooks are."""
        self._store = store
        self._client = client
        self._table = Table(zone=zone)
        self._now = now

    def carry_out(
        self, entry: ScheduleEntry, run: Run, hold: Lock, on_put: Callable[[Put], None] = lambda _put: None
    ) -> Run:
        """With `hold` acquired and the run written down; both are settled here. Raises `EnqueueError`: then it is repeated."""
        try:
            done = self._enqueued(entry, run, hold, on_put)
            self._write_down(entry.name, run, done)
        finally:
            with suppress(LockError):  # it ran out
                hold.release()
        return done

    def _enqueued(self, entry: ScheduleEntry, run: Run, hold: Lock, on_put: Callable[[Put], None]) -> Run:
        self._store.begin(entry.name)
        tally = _Tally()
        with Heartbeat(lambda: _renewed(hold), interval=HOLD / SIGNS_PER_HOLD, lease=HOLD) as held:
            try:
                with rows_of(entry, run.due, self._table) as rows, self._client() as client, Journal() as journal:
                    for put in put_rows(rows, client, self._store.digests, journal):
                        if held.lost:
                            raise RunLostError(f"the run of {entry.name} was taken over")
                        self._store.add(entry.name, tally.take(put))
                        on_put(put)
            except CommandError as error:
                tally.reasons.append(str(error))
            except ImportFileError as error:
                tally.reasons.append(f"{entry.file}: {error}" if entry.file else str(error))
            except KeyboardInterrupt:
                tally.reasons.append("it was interrupted")
            except OSError as error:
                tally.reasons.append(f"{error.filename} cannot be read: {error.strerror}")
        return tally.outcome(run, self._now())

    def _write_down(self, name: str, run: Run, done: Run) -> None:
        """The record may have changed meanwhile in everything but its run: a moment that was left out, or one that waits."""
        while True:
            before = self._store.read([name]).get(name)
            record = record_of(before)
            if record is None or record.run is None or (record.run.due, record.run.attempt) != (run.due, run.attempt):
                raise RunLostError(f"the run of {name} was taken over")
            if self._store.replace(name, before, replace(record, run=done).to_json()):
                return


@contextmanager
def rows_of(entry: ScheduleEntry, due: float, table: Table = AS_USUAL) -> Iterator[Rows]:
    """Raises `CommandError`, `ImportFileError`, OSError."""
    run_id = f"schedule {entry.name} {due:.3f}"
    if entry.intent is not None:
        yield iter([_only_row(entry, run_id)])
    elif entry.file is not None:
        with opened(str(entry.file), entry.format, run_id, _table_of(entry, table)) as source:
            yield source.rows()
    else:
        with output_of(entry.command or (), entry.directory or Path.cwd(), entry.timeout_seconds) as output:
            yield each_with_its_id(read_rows(output, Format.JSONL, run_id))


def _table_of(entry: ScheduleEntry, table: Table) -> Table:
    """As `import` takes it from its options. Raises `ImportFileError`."""
    try:
        encoding = text_encoding(entry.encoding) if entry.encoding else None
    except ValueError as error:
        raise ImportFileError(f"encoding: {error}") from None
    hidden = Hidden(entry.hidden) if entry.hidden else None
    empty = Empty(entry.empty) if entry.empty else table.empty
    return replace(table, sheet=entry.sheet, encoding=encoding, hidden=hidden, empty=empty)


def _only_row(entry: ScheduleEntry, run_id: str) -> Row:
    if entry.intent is None:
        raise ValueError(f"{entry.name} has no intent")
    own = "scheduled-" + blake2b(run_id.encode(), digest_size=16).hexdigest()
    return Row(1, entry.intent.model_copy(update={"intent_id": own}))


def first_record(entry: ScheduleEntry, now: float) -> Record:
    return Record(entry.times.definition, entry.times.latest(now))


def _renewed(hold: Lock) -> bool:
    try:
        return bool(hold.reacquire())
    except LockError:
        return False
