"""Asynchronous jobs: accepted at once, applied later item by item, in random order.

All times of a job are drawn when it is accepted.
"""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sandbox.agenda import Agenda

# The part of a job's time, at most, that it spends waiting (IDLE) before the first item can land.
IDLE_SHARE = 0.3


@dataclass(frozen=True)
class Update:
    """A batch_update request whose form has been checked; values are in stored form."""

    project_key: str
    type_key: str
    item_ids: tuple[int, ...]
    field_key: str
    mode: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Course:
    starts_at: float
    landings: tuple[tuple[float, int], ...]  # (when, item), by time; the last one ends the job

    @property
    def ends_at(self) -> float:
        return self.landings[-1][0]


@dataclass(frozen=True)
class Flaws:
    """The faults of a job, drawn when it is accepted."""

    is_lost: bool = False  # it runs, but task_result never knows it
    is_void: bool = False  # it never runs, and task_result never knows it
    is_endless: bool = False  # half of its items land, and it reports RUNNING forever
    omitted: frozenset[int] = frozenset()  # items that end in neither list
    skipped: frozenset[int] = frozenset()  # omitted items that are not changed either


@dataclass
class Job:
    task_id: str
    order: int
    update: Update
    arrived_at: float
    course: Course
    flaws: Flaws
    plugin: str
    user_key: str
    idem: str
    succeeded: list[int] = field(default_factory=list)
    failed: dict[int, str] = field(default_factory=dict)

    @property
    def is_findable(self) -> bool:
        return not (self.flaws.is_lost or self.flaws.is_void)

    @property
    def landings(self) -> Sequence[tuple[float, int]]:
        """The landings that will really happen."""
        if self.flaws.is_void:
            return ()
        kept = self.course.landings
        if self.flaws.is_endless:
            kept = kept[: len(kept) // 2]
        return [landing for landing in kept if landing[1] not in self.flaws.skipped]

    @property
    def last_landing_at(self) -> float:
        """The time after which this job changes no more cells."""
        return max((at for at, _ in self.landings), default=self.arrived_at)

    def status(self, now: float) -> str:
        if now < self.course.starts_at:
            return "IDLE"
        if self.flaws.is_endless or now < self.course.ends_at:
            return "RUNNING"
        return "SUCCESS" if self.succeeded or not self.failed else "FAILED"

    def report(self, now: float) -> dict[str, Any]:
        """The `data` of task_result."""
        succeeded = [str(i) for i in self.succeeded if i not in self.flaws.omitted]
        failed = {str(i): scene for i, scene in self.failed.items() if i not in self.flaws.omitted}
        return {
            "task_id": self.task_id,
            "task_status": self.status(now),
            "total": len(self.update.item_ids),
            "success_total": len(succeeded),
            "error_total": len(failed),
            "success_sub_task_list": succeeded,
            "fail_sub_task_list": list(failed),
            "error_scenes": sorted(set(failed.values())),
        }


def draw_course(rng: random.Random, item_ids: Sequence[int], at: float, median: float, sigma: float) -> Course:
    """A job of log-normal length whose items land one by one, in random order."""
    length = rng.lognormvariate(math.log(median), sigma) if median > 0 else 0.0
    starts_at = at + length * rng.uniform(0, IDLE_SHARE)
    times = sorted(rng.uniform(starts_at, at + length) for _ in item_ids[1:])
    order = rng.sample(item_ids, len(item_ids))
    return Course(starts_at, tuple(zip([*times, at + length], order, strict=True)))


# Called for a landing, returns the scene of the failure or None. (job, item, at)
Land = Callable[[Job, int, float], str | None]


class JobBook:
    def __init__(self, land: Land, agenda: Agenda) -> None:
        self._land = land
        self._agenda = agenda
        self.jobs: dict[str, Job] = {}

    def add(self, job: Job) -> None:
        self.jobs[job.task_id] = job
        for at, item in job.landings:
            self._agenda.add(at, partial(self._arrive, job, item))

    def find(self, task_id: str) -> Job | None:
        job = self.jobs.get(task_id)
        return job if job is not None and job.is_findable else None

    def clear(self) -> None:
        self.jobs.clear()

    def _arrive(self, job: Job, item: int, at: float) -> None:
        scene = self._land(job, item, at)
        if scene is None:
            job.succeeded.append(item)
        else:
            job.failed[item] = scene
