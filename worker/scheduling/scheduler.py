"""Checks the entries: tracks their runs, and starts due ones. Checking too often, or twice at once, is harmless."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

import structlog
from pydantic import ValidationError
from redis.exceptions import RedisError
from redis.lock import Lock

from config.schedules import ScheduleEntry
from worker.scheduling.records import Record, Run, RunState, ScheduleDecision, decide, record_of
from worker.scheduling.runner import RunLostError, Runner
from worker.scheduling.store import Schedules

log = structlog.get_logger("feishu_batch.schedules")

AT_ONCE: Final = 4  # files and commands in one process; further ones are started by a later look
PER_LOOK: Final = 500  # intents of a run that one look checks


class Scheduler:
    def __init__(
        self, entries: Sequence[ScheduleEntry], store: Schedules, runner: Runner, now: Callable[[], float] = time.time
    ) -> None:
        self._entries = {entry.name: entry for entry in entries}
        self._store = store
        self._runner = runner
        self._now = now
        self._room = threading.BoundedSemaphore(AT_ONCE)

    def look(self, name: str | None = None) -> dict[str, int]:
        """Checks one entry, or all. Returns the numbers of started, skipped, … runs."""
        names = [one for one in ([name] if name else list(self._entries)) if one in self._entries]
        texts = self._store.read(names)
        seen = Counter(self._look_at(self._entries[one], texts.get(one)) for one in names)
        return {what: count for what, count in seen.items() if what}

    def _look_at(self, entry: ScheduleEntry, text: str | None) -> str:
        try:
            record = record_of(text)
        except ValidationError:  # written by another version, or by another program
            log.error("schedule.record_not_understood", schedule=entry.name)
            record = None
        if record and record.run and record.run.state is RunState.OPEN:
            text, record = followed(self._store, entry.name, text, record, self._now())
        runs = bool(record and record.run and record.run.state is RunState.RUNNING)
        decision = decide(entry, record, self._now(), is_alive=runs and self._store.is_held(entry.name))
        if decision is None:
            return ""
        return (
            self._start(entry, text, decision, decision.start) if decision.start else self._note(entry, text, decision)
        )

    def _note(self, entry: ScheduleEntry, text: str | None, decision: ScheduleDecision) -> str:
        run = decision.record.run
        gave_up = bool(run and run.state.is_over)
        if not self._store.replace(entry.name, text, decision.record.to_json(), has_enqueued=gave_up):
            return ""
        if decision.record.skipped != decision.record.due:
            return "noted"
        log.warning(
            "schedule.skipped", schedule=entry.name, due=_iso(decision.record.due), reason=decision.record.reason
        )
        return "skipped"

    def _start(self, entry: ScheduleEntry, text: str | None, decision: ScheduleDecision, run: Run) -> str:
        is_quick = entry.intent is not None
        if not is_quick and not self._room.acquire(blocking=False):
            return "no room"
        hold = self._store.hold(entry.name)
        if not hold.acquire(blocking=False):
            return self._give_room(is_quick)
        if not self._store.replace(entry.name, text, decision.record.to_json()):
            hold.release()
            return self._give_room(is_quick)
        if is_quick:
            self._carry_out(entry, run, hold)
        else:  # it may take minutes, and intake must continue
            threading.Thread(
                target=self._run_aside, args=(entry, run, hold), name=f"schedule-{entry.name}", daemon=True
            ).start()
        return "started"

    def _give_room(self, is_quick: bool) -> str:
        if not is_quick:
            self._room.release()
        return ""

    def _run_aside(self, entry: ScheduleEntry, run: Run, hold: Lock) -> None:
        try:
            self._carry_out(entry, run, hold)
        finally:
            self._room.release()

    def _carry_out(self, entry: ScheduleEntry, run: Run, hold: Lock) -> None:
        """An error here must not stop the other entries; the run is started again."""
        try:
            done = self._runner.carry_out(entry, run, hold)
        except RunLostError as error:
            log.warning("schedule.run_lost", schedule=entry.name, error=str(error))
        except Exception:
            log.exception("schedule.not_run", schedule=entry.name)
        else:
            say = log.warning if done.reason else log.info
            fields = {"state": done.state.value, "intents": done.intents}
            fields |= {"reason": done.reason} if done.reason else {}
            say("schedule.ran", schedule=entry.name, due=_iso(run.due), **fields)


def _iso(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def followed(store: Schedules, name: str, text: str | None, record: Record, now: float) -> tuple[str | None, Record]:
    """The record with the newly ended intents of the run. Checks a few hundred at a time, in their order."""
    run = record.run
    if run is None:
        return text, record
    ids = store.intents(name, run.checked, PER_LOOK)
    ended = store.ended(ids[:1])  # usually the first has not ended, and no other needs to be checked
    if ended and len(ids) > 1:
        ended += store.ended(ids[1:])
    is_over = len(ended) == len(ids) and len(ids) < PER_LOOK
    if not ended and not is_over:
        return text, record
    after = replace(run, checked=run.checked + len(ended), failed=run.failed + ended.count(False))
    if is_over:
        after = replace(after, state=RunState.ENDED, ended_at=now)
    changed = replace(record, run=after)
    try:
        is_ours = store.replace(name, text, changed.to_json())
    except RedisError:
        is_ours = False
    return (changed.to_json(), changed) if is_ours else (text, record)
