"""Celery's beat with RedBeat: one of several beats is active, and its state is stored in the ledger's Redis.

RedBeat waits for its lock without a timeout, ends at the first error of Redis, and stores no time zone with a
crontab. So this module acquires the lock in every tick, retries after errors, and takes an entry's times from the settings.
"""

import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog
from celery.schedules import schedstate, schedule
from redbeat.schedulers import (  # type: ignore[import-untyped]  # RedBeat ships no types
    REDBEAT_REDIS_KEY,
    RedBeatScheduler,
    RedBeatSchedulerEntry,
)
from redis.exceptions import LockError, RedisError

from config.errors import ConfigError
from config.schedule import beat_lock_seconds, beat_look_seconds, entry_of_beat, look_of_beat
from config.schedules import Times, load_schedules
from config.settings import Settings, load_settings
from worker.connections import connect
from worker.ledger.keys import ScheduleKeys
from worker.processes.beacon import Beacon, beacon_file, light
from worker.processes.self_check import SelfCheck

log = structlog.get_logger("feishu_batch.beat")

CLOCK_SET: Final = (
    1.0  # seconds by which the wall clock and the monotonic clock may differ; with more, the clock was set
)
RECORDS_EVERY: Final = 5.0  # seconds
A_MOMENT: Final = 0.01  # seconds: the lock expires in milliseconds, by another clock


class Moments(schedule):  # type: ignore[misc]  # Celery ships no types; nor does RedBeat
    """Due at the times of `Times`. RedBeat stores it like an interval."""

    def __init__(self, times: Times, app: Any = None) -> None:
        super().__init__(run_every=60, app=app)
        self.times = times

    def now(self) -> datetime:
        return datetime.now(UTC)

    def remaining_estimate(self, last_run_at: datetime) -> timedelta:  # noqa: ARG002 - Celery's signature
        now = self.now().timestamp()
        return timedelta(seconds=self.times.next(now) - now)

    def is_due(self, last_run_at: datetime) -> schedstate:
        now = self.now().timestamp()
        latest = datetime.fromtimestamp(self.times.latest(now), UTC)
        return schedstate(last_run_at < latest, self.times.next(now) - now)


class BeatEntry(RedBeatSchedulerEntry):  # type: ignore[misc]  # as above
    """Only the time of an entry's last run is stored; everything else comes from the present settings."""

    @classmethod
    def from_key(cls, key: str, app: Any = None) -> "BeatEntry":
        entry: BeatEntry = super().from_key(key, app)
        given = app.conf.beat_schedule.get(entry.name, {}).get("schedule")
        if isinstance(given, Moments):
            entry.schedule = given
        elif entry.last_run_at and entry.last_run_at > entry.default_now() + timedelta(seconds=CLOCK_SET):
            entry.last_run_at = None  # recorded before this machine's clock was set back: due now
        return entry

    @property
    def due_at(self) -> datetime:
        """RedBeat would add the remaining time to the time of the last run."""
        now: datetime = self.default_now()
        if self.last_run_at is None:
            return now
        left: timedelta = self.schedule.remaining_estimate(self.last_run_at)
        return now + max(timedelta(0), left)


class Beat(RedBeatScheduler):  # type: ignore[misc]  # as above
    Entry = BeatEntry  # the name by which RedBeat uses it

    def __init__(self, app: Any, **options: Any) -> None:
        settings = load_settings()
        app.conf.beat_schedule = {**app.conf.beat_schedule, **_scheduled(settings)}
        self._redis: Any = connect(settings, founds=True)
        setattr(app, REDBEAT_REDIS_KEY, self._redis)  # with our timeouts, instead of RedBeat's own connection
        app.conf.update(
            redbeat_redis_url="as the ledger's",  # only set because RedBeat would warn; not used
            redbeat_redis_options={},
            redbeat_key_prefix=ScheduleKeys(settings.key_prefix).beat,
            redbeat_lock_key=None,
        )
        super().__init__(app, **options)
        self.max_interval = beat_look_seconds(settings)
        name = f"{app.redbeat_conf.key_prefix}:lock"
        self.lock = self._redis.lock(name, timeout=beat_lock_seconds(settings), thread_local=False)
        self._lock_holds = beat_lock_seconds(settings)
        self._was_mine = False
        self._stands_by = False
        self._clock_ahead = _clock_ahead()
        self._judge = SelfCheck(settings)
        self._beacon = beacon_file(settings.data_dir, "beat")
        self._recorded_at = 0.0

    def setup_schedule(self) -> None:
        """Not called at the start: Redis may start later, and only the active beat stores the entries."""

    def tick(self, *arguments: Any, **options: Any) -> float:
        """Seconds until the next call."""
        self._tell()
        try:
            if self._is_mine():
                self._look_at_the_clock()
                wait: float = super().tick(*arguments, **options)
                return wait
            return self._until_the_lock_may_be_free()
        except RedisError as error:
            log.warning("beat.waits_for_redis", error=type(error).__name__)
        return self.max_interval

    def _tell(self) -> None:
        now = time.monotonic()
        if now - self._recorded_at < RECORDS_EVERY:
            return
        self._recorded_at = now
        with suppress(OSError):  # the health check then fails; the work does not depend on it
            light(self._beacon, Beacon(now, RECORDS_EVERY, self._judge.trouble("beat")))

    def _until_the_lock_may_be_free(self) -> float:
        """Seconds until the next try: the other beat may release the lock at any time, or be dead, and then the lock expires."""
        holds_for = max(0, int(self._redis.pttl(self.lock.name))) / 1000
        if (
            holds_for > self._lock_holds
        ):  # Redis's clock was set back: the lock of a dead beat would last longer by that time
            self._redis.pexpire(self.lock.name, round(self._lock_holds * 1000))
        return float(min(self.max_interval, holds_for + A_MOMENT))

    def _look_at_the_clock(self) -> None:
        """RedBeat's stored due times are useless after this machine's clock was set."""
        ahead = _clock_ahead()
        if abs(ahead - self._clock_ahead) > CLOCK_SET:
            log.warning("beat.clock_was_set", seconds=round(ahead - self._clock_ahead, 1))
            super().setup_schedule()
            self._clock_ahead = ahead

    def close(self) -> None:
        """Releases the lock, so that the next beat need not wait until it expires."""
        try:
            super().close()
        except RedisError:
            self.lock = None

    def _is_mine(self) -> bool:
        if self._was_mine:
            try:
                return bool(self.lock.reacquire())
            except LockError:  # it expired: this process was frozen, or Redis lost it
                self._was_mine = False
        if self.lock.acquire(blocking=False):
            super().setup_schedule()
            self._was_mine = True
            log.info("beat.ticks")
        elif not self._stands_by:
            log.info("beat.stands_by")
        self._stands_by = not self._was_mine
        return self._was_mine


def _clock_ahead() -> float:
    return time.time() - time.monotonic()


def _scheduled(settings: Settings) -> dict[str, dict[str, Any]]:
    """A schedule file that became invalid after the start must not stop the sweep: `up`, `doctor` and the log report it."""
    try:
        entries = load_schedules(settings)
    except ConfigError as error:
        log.error("schedules.not_usable", error=str(error))
        return {}
    ticks = {f"schedule-{one.name}": entry_of_beat(settings, one.name, Moments(one.times)) for one in entries}
    return {**look_of_beat(settings), **ticks} if ticks else {}
