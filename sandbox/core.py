"""The whole state of a sandbox, without HTTP: requests and their effects."""

import json
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from sandbox import errors, values
from sandbox.cells import CellKey, Cells, CellWrite
from sandbox.errors import ApiError
from sandbox.faults import FaultRule, Faults
from sandbox.jobs import Job, JobBook
from sandbox.limits import Limiter
from sandbox.tokens import Tokens
from sandbox.world import Item, SandboxProject, World

RETRY_AFTER = ("no", "seconds", "date")
SCENE_NOT_FOUND = "WorkItemNotFound"
SCENE_OPTION_DISABLED = "OptionDisabled"


@dataclass(frozen=True)
class SandboxSettings:
    """Durations in seconds."""

    window: float = 1.0
    latency: tuple[float, float] = (0.0, 0.0)  # one way; a new random value for each way
    expire_time: float = 7200
    job_median: float = 1.0
    job_sigma: float = 0.5
    seed: int = 0
    faults: Sequence[FaultRule] = ()
    missing_items_fail_query: bool = False
    leaves_out_empty_fields: bool = False
    shows_unset_fields: bool = False  # as null, instead of leaving them out
    penalty: float = 0.0  # how long a rejection by the rate limit lasts; each rejection restarts it
    retry_after: str = "no"  # the form of the header in a rejection: no | seconds | date


@dataclass(frozen=True)
class LoggedCall:
    """One accepted request."""

    at: float
    headers: Mapping[str, str]
    path: Mapping[str, str]
    query: Mapping[str, str]
    raw_body: bytes
    plugin: str = ""

    @property
    def token(self) -> str:
        return self.headers.get("x-plugin-token", "")

    @property
    def user_key(self) -> str:
        return self.headers.get("x-user-key", "")

    @property
    def idem(self) -> str:
        return self.headers.get("x-idem-uuid", "")

    def body(self) -> dict[str, Any]:
        try:
            content = json.loads(self.raw_body, parse_constant=_no_constant)
        except ValueError as error:
            raise ApiError(errors.NOT_JSON) from error
        if not isinstance(content, dict):
            raise ApiError(errors.NOT_JSON)
        return content


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


@dataclass
class PostedBatch:
    """A batch_update as it arrived, for the report; refused requests are batches too."""

    arrived_at: float
    n_items: int


@dataclass
class Sandbox:
    world: World
    settings: SandboxSettings
    cells: Cells = field(default_factory=Cells)
    idems: set[tuple[str, str, str]] = field(default_factory=set)  # (token, endpoint, uuid) of executed writes
    answers: Counter[str] = field(default_factory=Counter)
    oversize: list[PostedBatch] = field(default_factory=list)

    def __post_init__(self) -> None:
        # One random generator for each purpose: more draws of one kind do not change the others.
        self.rng_latency = self._rng("latency")
        self.rng_jobs = self._rng("jobs")
        self.limiter = Limiter(self.settings.window, self.settings.penalty)
        self.tokens = Tokens(self.world.plugins, self.settings.expire_time, self._rng("tokens"))
        self.faults = Faults(self.settings.faults, self._rng("faults"))
        self.jobs = JobBook(self._land)

    def draw_latency(self) -> float:
        return self.rng_latency.uniform(*self.settings.latency)

    def forget(self) -> None:
        """Restore the values of the world file, without history; tokens and fault rules stay."""
        self.cells.clear()
        self.jobs.clear()
        self.limiter.clear()
        self.idems.clear()
        self.answers.clear()
        self.oversize.clear()
        self.faults.fired.clear()

    def present(self, project: SandboxProject, item: Item, field_key: str) -> Any:
        cell = CellKey(project.key, item.id, field_key)
        return self.cells.values.get(cell, item.values.get(field_key))

    def _rng(self, purpose: str) -> random.Random:
        return random.Random(f"{self.settings.seed}-{purpose}")

    def _land(self, job: Job, item_id: int, at: float) -> str | None:
        update = job.update
        cell = CellKey(update.project_key, item_id, update.field_key)
        written = self._written(job, item_id)
        scene = written if isinstance(written, str) else None
        if isinstance(written, str):
            touch = CellWrite(at, self.cells.values.get(cell), job.task_id, job.order, applied=False, reason=written)
        else:
            touch = CellWrite(at, written.value, job.task_id, job.order, written.applied, written.reason)
        self.cells.record(cell, touch)
        return scene

    def _written(self, job: Job, item_id: int) -> values.Write | str:
        """The effect of a job on one item: a write, or the scene of its failure."""
        update = job.update
        project = self.world.projects[update.project_key]
        item = project.item(item_id)
        found = project.field(update.field_key, update.type_key)
        if item is None or item.type_key != update.type_key or found is None:
            return SCENE_NOT_FOUND
        if item.refuse:
            return item.refuse
        if _names_disabled_option(found.options, update.after):
            return SCENE_OPTION_DISABLED
        present = self.present(project, item, update.field_key)
        return values.write(update.mode, found.type_key, present, update.before, update.after)


def _names_disabled_option(options: Sequence[Mapping[str, Any]], value: Any) -> bool:
    if not options:
        return False
    found = [values.find_option(options, path) or [] for path in values.option_paths(value)]
    return any(values.is_disabled(option) for along in found for option in along)
