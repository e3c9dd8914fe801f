"""The whole state of a sandbox, without HTTP: what a request is and where its effects go."""

import json
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from sandbox import errors, values
from sandbox.cells import Cell, Cells, Touch
from sandbox.errors import RefusedError
from sandbox.faults import Faults, Rule
from sandbox.jobs import Job, JobBook
from sandbox.limits import Door
from sandbox.tokens import Tokens
from sandbox.world import Item, Project, World

RETRY_AFTER = ("no", "seconds", "date")
SCENE_NOT_FOUND = "WorkItemNotFound"
SCENE_OPTION_DISABLED = "OptionDisabled"


@dataclass(frozen=True)
class Settings:
    """Durations in seconds."""

    window: float = 1.0
    latency: tuple[float, float] = (0.0, 0.0)  # one way, drawn anew for each way
    expire_time: float = 7200
    job_median: float = 1.0
    job_sigma: float = 0.5
    seed: int = 0
    faults: Sequence[Rule] = ()
    missing_items_fail_query: bool = False
    leaves_out_empty_fields: bool = False
    penalty: float = 0.0  # how long a rejection by the rate limit lasts; each one begins it anew
    retry_after: str = "no"  # in what form a rejection says how long: no | seconds | date


@dataclass(frozen=True)
class Call:
    """One request that came through the door."""

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
            told = json.loads(self.raw_body, parse_constant=_no_constant)
        except ValueError as error:
            raise RefusedError(errors.NOT_JSON) from error
        if not isinstance(told, dict):
            raise RefusedError(errors.NOT_JSON)
        return told


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


@dataclass
class Batch:
    """A batch_update as it arrived, for the report; refused requests are batches too."""

    arrived_at: float
    n_items: int


@dataclass
class Sandbox:
    world: World
    settings: Settings
    cells: Cells = field(default_factory=Cells)
    idems: set[tuple[str, str, str]] = field(default_factory=set)  # (token, endpoint, uuid) of executed writes
    answers: Counter[str] = field(default_factory=Counter)
    oversize: list[Batch] = field(default_factory=list)

    def __post_init__(self) -> None:
        # One source of chance for each purpose: more of one kind does not change the others.
        self.rng_latency = self._rng("latency")
        self.rng_jobs = self._rng("jobs")
        self.door = Door(self.settings.window, self.settings.penalty)
        self.tokens = Tokens(self.world.plugins, self.settings.expire_time, self._rng("tokens"))
        self.faults = Faults(self.settings.faults, self._rng("faults"))
        self.jobs = JobBook(self._land)

    def draw_latency(self) -> float:
        return self.rng_latency.uniform(*self.settings.latency)

    def forget(self) -> None:
        """Back to the values of the world file, without history; tokens and fault rules stay."""
        self.cells.clear()
        self.jobs.clear()
        self.door.clear()
        self.idems.clear()
        self.answers.clear()
        self.oversize.clear()
        self.faults.fired.clear()

    def present(self, project: Project, item: Item, field_key: str) -> Any:
        cell = Cell(project.key, item.id, field_key)
        return self.cells.values.get(cell, item.values.get(field_key))

    def _rng(self, purpose: str) -> random.Random:
        return random.Random(f"{self.settings.seed}-{purpose}")

    def _land(self, job: Job, item_id: int, at: float) -> str | None:
        update = job.update
        cell = Cell(update.project_key, item_id, update.field_key)
        written = self._written(job, item_id)
        scene = written if isinstance(written, str) else None
        if isinstance(written, str):
            touch = Touch(at, self.cells.values.get(cell), job.task_id, job.order, applied=False, reason=written)
        else:
            touch = Touch(at, written.value, job.task_id, job.order, written.applied, written.reason)
        self.cells.record(cell, touch)
        return scene

    def _written(self, job: Job, item_id: int) -> values.Write | str:
        """What a job makes of one item: a write, or the scene of its failure."""
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
