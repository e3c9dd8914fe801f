"""What is remembered of an entry, and what is to be done about it now. Pure: the time is an argument (unix seconds)."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from pydantic import TypeAdapter

from config.schedules import Overlap, ScheduleEntry
from config.schedules.entries import Missed

LATE: Final = 60.0  # seconds: a run that is noticed later than this after its time was missed
MOST_ATTEMPTS: Final = 3


class RunState(StrEnum):
    RUNNING = "running"  # its intents are being enqueued
    OPEN = "open"  # they are enqueued and have not all ended
    ENDED = "ended"
    FAILED = "failed"  # nothing, or not all, was enqueued

    @property
    def is_over(self) -> bool:
        return self in (RunState.ENDED, RunState.FAILED)


@dataclass(frozen=True, slots=True)
class Run:
    """`due`: the moment it stands for. `checked`: how many of its intents, from the first, are known to have ended."""

    due: float
    started_at: float
    state: RunState = RunState.RUNNING
    attempt: int = 1
    intents: int = 0
    rejected: int = 0
    checked: int = 0
    failed: int = 0  # of the intents: with an item that failed, was canceled or expired
    ended_at: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """`due`: the newest moment that was dealt with, by the times of `definition`."""

    definition: str
    due: float
    waits: bool = False  # that moment's run waits for the end of the one before
    run: Run | None = None  # the newest
    skipped: float | None = None  # the newest moment that was left out
    reason: str = ""  # why it was

    def to_json(self) -> str:
        return _FORM.dump_json(self, exclude_defaults=True).decode()


_FORM: Final = TypeAdapter(Record)


def record_of(text: str | None) -> Record | None:
    return _FORM.validate_json(text) if text else None


@dataclass(frozen=True, slots=True)
class Decision:
    """What to write down, and the run to carry out once it is written."""

    record: Record
    start: Run | None = None


def decide(entry: ScheduleEntry, record: Record | None, now: float, *, is_alive: bool) -> Decision | None:
    """None: nothing is to be done. `is_alive`: somebody carries the newest run out at this moment."""
    times = entry.times
    latest = times.latest(now)
    if record is None or record.definition != times.definition:
        # Seen for the first time, or with other times: what lies before this moment is nobody's wish.
        return Decision(Record(times.definition, latest, run=record.run if record else None))
    run = record.run
    if run and run.state is RunState.RUNNING and not is_alive:
        return _once_more(record, run, now)
    if not record.waits and latest <= record.due:
        return None
    fresh = latest > record.due
    if run and not run.state.is_over:
        return _overlapping(entry, record, run, latest) if fresh else None
    if fresh and not record.waits and entry.missed is Missed.SKIP and now - latest > LATE:
        return _skipped(record, latest, "it was missed: nothing ran here at its time")
    started = Run(latest, now)
    return Decision(replace(record, due=latest, waits=False, run=started), started)


def _once_more(record: Record, run: Run, now: float) -> Decision:
    """Whoever carried it out is gone. The ids of its intents stay the same, so nothing is doubled."""
    if run.attempt >= MOST_ATTEMPTS:
        why = f"its worker ended {run.attempt} times while it ran"
        return Decision(replace(record, run=replace(run, state=RunState.FAILED, ended_at=now, reason=why)))
    again = Run(run.due, now, attempt=run.attempt + 1)
    return Decision(replace(record, run=again), again)


def _overlapping(entry: ScheduleEntry, record: Record, run: Run, latest: float) -> Decision:
    if entry.overlap is Overlap.QUEUE:
        return Decision(replace(record, due=latest, waits=True))
    left = f": {run.intents - run.checked} of its {run.intents} intents are open" if run.state is RunState.OPEN else ""
    return _skipped(record, latest, f"the run of {local(run.due, entry.timezone)} has not ended{left}")


def _skipped(record: Record, latest: float, reason: str) -> Decision:
    return Decision(replace(record, due=latest, waits=False, skipped=latest, reason=reason))


def local(moment: float, zone: str) -> str:
    return datetime.fromtimestamp(moment, ZoneInfo(zone)).strftime("%Y-%m-%d %H:%M:%S %Z")
