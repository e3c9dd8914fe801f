"""Executes one run: enqueues its file, command output or table, with ids that stay the same when it is repeated."""

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
from worker.importing.enqueue_rows import SortedRows, enqueue_rows
from worker.importing.journal import Journal
from worker.importing.row import Rejected, Row
from worker.importing.row_ids import each_with_its_id
from worker.importing.rows import Format, read_rows
from worker.importing.source import opened
from worker.importing.table import AS_USUAL, Empty, Hidden, Table
from worker.importing.wide.fields import Fields, no_lookup
from worker.importing.wide.options import TableOptions
from worker.scheduling.command import CommandError, output_of
from worker.scheduling.records import Record, Run, RunState, record_of
from worker.scheduling.spool import SpoolError
from worker.scheduling.store import HOLD, Schedules

SIGNS_PER_HOLD = 5
LONGEST_REASON = 1500
Rows = Iterator[Row | Rejected]


class RunLostError(Exception):
    """Another process has taken over the run, because this one did not renew its lock in time."""


@dataclass(slots=True)
class _Tally:
    intents: int = 0
    rejected: int = 0
    reasons: list[str] = field(default_factory=list)

    def take(self, put: SortedRows) -> list[str]:
        """The ids of the enqueued intents."""
        if put.rejected and not self.rejected:
            self.reasons.append(f"line {put.rejected[0].line}: {put.rejected[0].reason}")
        ids = [row.intent.intent_id for row in (*put.enqueued, *put.known)]
        self.intents += len(ids)
        self.rejected += len(put.rejected)
        return ids

    def outcome(self, run: Run, now: float) -> Run:
        rejected = f"{self.rejected} {'row' if self.rejected == 1 else 'rows'} rejected; " if self.rejected else ""
        reason = f"{rejected}{'; '.join(self.reasons)}"[:LONGEST_REASON]
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
        fields: Callable[[], Fields] = no_lookup,
    ) -> None:
        """`zone`: the time zone of dates in workbooks. `fields`: looks up the columns of a table."""
        self._store = store
        self._client = client
        self._table = Table(zone=zone, fields=fields)
        self._now = now

    def carry_out(
        self, entry: ScheduleEntry, run: Run, hold: Lock, on_put: Callable[[SortedRows], None] = lambda _put: None
    ) -> Run:
        """Call with `hold` acquired and the run recorded; this method finishes both. Raises `EnqueueError`: then the run is repeated."""
        try:
            done = self._enqueued(entry, run, hold, on_put)
            self._record(entry.name, run, done)
        finally:
            with suppress(LockError):  # it expired
                hold.release()
        return done

    def _enqueued(self, entry: ScheduleEntry, run: Run, hold: Lock, on_put: Callable[[SortedRows], None]) -> Run:
        self._store.begin(entry.name)
        tally = _Tally()
        with Heartbeat(lambda: _renewed(hold), interval=HOLD / SIGNS_PER_HOLD, lease=HOLD) as held:
            try:
                rows = self._kept_rows(entry, run, hold, held)
                with self._client() as client, Journal() as journal:
                    for put in enqueue_rows(rows, client, self._store.digests, journal):
                        if held.lost:
                            raise _taken_over(entry.name)
                        self._store.add(entry.name, tally.take(put))
                        on_put(put)
            except (CommandError, SpoolError) as error:
                tally.reasons.append(str(error))
            except ImportFileError as error:
                tally.reasons.append(f"{entry.file}: {error}" if entry.file else str(error))
            except KeyboardInterrupt:
                tally.reasons.append("it was interrupted")
            except OSError as error:
                tally.reasons.append(f"{error.filename} cannot be read: {error.strerror}")
        return tally.outcome(run, self._now())

    def _kept_rows(self, entry: ScheduleEntry, run: Run, hold: Lock, held: Heartbeat) -> Rows:
        """When a run is repeated, its file may have changed, and a command may print other rows: the first rows are used.

        Raises the errors of `rows_of`, `SpoolError`, `RunLostError`.
        """
        if entry.intent is not None:  # enqueued in one step
            return iter([_only_row(entry, _run_id(entry, run.due))])
        spool = self._store.spool(entry.name, run.due)
        if not spool.is_kept():
            with rows_of(entry, run.due, self._table) as rows:
                if not spool.keep(_while_held(rows, held, entry.name), hold):
                    raise _taken_over(entry.name)
        return spool.rows()

    def _record(self, name: str, run: Run, done: Run) -> None:
        """Meanwhile the record may have changed, except for its run: a time was skipped, or a run waits."""
        while True:
            before = self._store.read([name]).get(name)
            record = record_of(before)
            if record is None or record.run is None or (record.run.due, record.run.attempt) != (run.due, run.attempt):
                raise _taken_over(name)
            if self._store.replace(name, before, replace(record, run=done).to_json(), has_enqueued=True):
                return


def _taken_over(name: str) -> RunLostError:
    return RunLostError(f"the run of {name} was taken over")


def _while_held(rows: Rows, held: Heartbeat, name: str) -> Rows:
    for row in rows:
        if held.lost:
            raise _taken_over(name)
        yield row


def _run_id(entry: ScheduleEntry, due: float) -> str:
    """Also the change set of the run."""
    return f"schedule:{entry.name}:{due:.3f}"


@contextmanager
def rows_of(entry: ScheduleEntry, due: float, table: Table = AS_USUAL) -> Iterator[Rows]:
    """Of a file or a command. Raises `CommandError`, `ImportFileError`, OSError."""
    run_id = _run_id(entry, due)
    if entry.file is not None:
        with opened(str(entry.file), entry.format, run_id, _table_of(entry, table)) as source:
            yield source.rows()
    else:
        with output_of(entry.command or (), entry.directory or Path.cwd(), entry.timeout_seconds) as output:
            yield each_with_its_id(read_rows(output, Format.JSONL, run_id, _table_of(entry, table)))


def _table_of(entry: ScheduleEntry, table: Table) -> Table:
    """The same settings as the options of `import`. Raises `ImportFileError`."""
    try:
        encoding = text_encoding(entry.encoding) if entry.encoding else None
    except ValueError as error:
        raise ImportFileError(f"encoding: {error}") from None
    hidden = Hidden(entry.hidden) if entry.hidden else None
    empty = Empty(entry.empty) if entry.empty else table.empty
    return replace(
        table,
        sheet=entry.sheet,
        encoding=encoding,
        hidden=hidden,
        empty=empty,
        header_row=entry.header_row,
        as_table=TableOptions(
            entry.space,
            entry.type,
            entry.id_column,
            tuple(f"{column}={word}" for column, word in entry.fields.items()),
            entry.ignore,
            entry.append,
            entry.skip_unchanged,
            entry.keep_before,
        ),
    )


def _only_row(entry: ScheduleEntry, run_id: str) -> Row:
    if entry.intent is None:
        raise ValueError(f"{entry.name} has no intent")
    own = "scheduled-" + blake2b(run_id.encode(), digest_size=16).hexdigest()
    change_set = entry.intent.change_set or run_id
    return Row(1, entry.intent.model_copy(update={"intent_id": own, "change_set": change_set}))


def first_record(entry: ScheduleEntry, now: float) -> Record:
    return Record(entry.times.definition, entry.times.latest(now))


def _renewed(hold: Lock) -> bool:
    try:
        return bool(hold.reacquire())
    except LockError:
        return False
