"""The stored record of an entry, and the decision about its next run. Pure: the time is an argument (unix seconds)."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from pydantic import TypeAdapter

from config.schedules import Overlap, ScheduleEntry
from config.schedules.entries import Missed

LATE: Final = 60.0  # seconds: a run that is noticed later than this counts as missed
MOST_ATTEMPTS: Final = 3


class RunState(StrEnum):
    RUNNING = "running"  # its intents are being enqueued
    OPEN = "open"  # all are enqueued, but not all have ended
    ENDED = "ended"
    FAILED = "failed"  # nothing, or not all, was enqueued

    @property
    def is_over(self) -> bool:
        return self in (RunState.ENDED, RunState.FAILED)


@dataclass(frozen=True, slots=True)
class Run:
    """`due`: its scheduled time. `checked`: the number of its intents, from the first, that are known to have ended."""

    due: float
    started_at: float
    state: RunState = RunState.RUNNING
    attempt: int = 1
    intents: int = 0
    rejected: int = 0
    checked: int = 0
    failed: int = 0  # number of intents with an item that failed, was canceled or expired
    ended_at: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """`due`: the newest scheduled time that was handled, by the times of `definition`."""

    definition: str
    due: float
    waits: bool = False  # the run of that time waits for the end of the previous one
    run: Run | None = None  # the newest
    skipped: float | None = None  # the newest skipped time
    reason: str = ""  # why it was skipped skipped skipped

    def to_json(self) -> str:
        return _FORM.dump_json(self, exclude_defaults=True).decode()


_FORM: Final = TypeAdapter(Record)


def record_of(text: str | None) -> Record | None:
    return _FORM.validate_json(text) if text else None


@dataclass(frozen=True, slots=True)
class ScheduleDecision:
    """The record to store, and the run to execute after it is stored."""

    record: Record
    start: Run | None = None


def decide(entry: ScheduleEntry, record: Record | None, now: float, *, is_alive: bool) -> ScheduleDecision | None:
    """None: nothing to do. `is_alive`: a worker is executing the newest run at this moment."""
    times = entry.times
    latest = times.latest(now)
    if record is None or record.definition != times.definition:
        # Seen for the first time, or with other times: earlier runs are not wanted.
        return ScheduleDecision(Record(times.definition, latest, run=record.run if record else None))
    run = record.run
    if run and run.state is RunState.RUNNING and not is_alive:
        return _repeated(record, run, now)
    if not record.waits and latest <= record.due:
        return None
    fresh = latest > record.due
    if run and not run.state.is_over:
        return _overlapping(entry, record, run, latest) if fresh else None
    if fresh and not record.waits and entry.missed is Missed.SKIP and now - latest > LATE:
        return _skipped(record, latest, "it was missed: no worker was running at its time")
    started = Run(latest, now)
    return ScheduleDecision(replace(record, due=latest, waits=False, run=started), started)


def _repeated(record: Record, run: Run, now: float) -> ScheduleDecision:
    """Its worker is gone. The ids of its intents stay the same, so no intent is enqueued twice."""
    if run.attempt >= MOST_ATTEMPTS:
        why = f"its worker ended {run.attempt} times while it ran"
        return ScheduleDecision(replace(record, run=replace(run, state=RunState.FAILED, ended_at=now, reason=why)))
    again = Run(run.due, now, attempt=run.attempt + 1)
    return ScheduleDecision(replace(record, run=again), again)


def _overlapping(entry: ScheduleEntry, record: Record, run: Run, latest: float) -> ScheduleDecision:
    if entry.overlap is Overlap.QUEUE:
        return ScheduleDecision(replace(record, due=latest, waits=True))
    left = f": {run.intents - run.checked} of its {run.intents} intents are open" if run.state is RunState.OPEN else ""
    return _skipped(record, latest, f"the run of {local(run.due, entry.timezone)} has not ended{left}")


def _skipped(record: Record, latest: float, reason: str) -> ScheduleDecision:
    return ScheduleDecision(replace(record, due=latest, waits=False, skipped=latest, reason=reason))


def local(moment: float, zone: str) -> str:
    return datetime.fromtimestamp(moment, ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M:%S %Z")
