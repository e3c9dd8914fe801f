"""The whole state of a sandbox, without HTTP: requests and their effects."""

import json
import random
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from sandbox import errors, values
from sandbox.agenda import Agenda
from sandbox.cells import CellKey, Cells, CellWrite
from sandbox.errors import ApiError
from sandbox.faults import FaultRule, Faults
from sandbox.fields import LITERALS, names_disabled_option
from sandbox.jobs import Job, JobBook
from sandbox.limits import SLIDING, Limiter, Rate
from sandbox.single_rules import SingleRules
from sandbox.tokens import Tokens
from sandbox.uuids import REJECTED, Uuids
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
    batch_window: str = SLIDING  # of the limit of batch_update
    batch_uuid: str = REJECTED  # what a repeated X-IDEM-UUID of a batch_update gets
    uuid_seconds: float = 0.0  # how long a UUID is known; 0: for ever
    job_hidden: float = 0.0  # seconds after its acceptance until task_result knows a job
    same_value_updates: bool = True  # whether writing the value that a field holds moves the item's updated_at
    doubles_members: bool = False  # whether APPEND adds a member that is there already
    clears_with: tuple[str, ...] = tuple(LITERALS)  # the empty values that are accepted
    singles: SingleRules = field(default_factory=SingleRules)


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


@dataclass(frozen=True)
class SingleUpdate:
    """An accepted request of one item; values in stored form."""

    order: int
    project_key: str
    type_key: str
    item_id: int
    values: Mapping[str, Any]  # of the fields that are written
    n_fields: int  # that the request carried
    arrived_at: float
    done_at: float
    user_key: str
    idem: str

    @property
    def name(self) -> str:
        return f"SINGLE-{self.order}"


@dataclass(frozen=True)
class LostValue:
    """A write of a whole item put back the value that another request had overwritten."""

    cell: CellKey
    value: Any
    lost_by: str  # the name of the single update
    at: float


@dataclass
class Sandbox:
    world: World
    settings: SandboxSettings
    cells: Cells = field(default_factory=Cells)
    agenda: Agenda = field(default_factory=Agenda)
    answers: Counter[str] = field(default_factory=Counter)
    oversize: list[PostedBatch] = field(default_factory=list)
    singles: list[SingleUpdate] = field(default_factory=list)
    lost_values: list[LostValue] = field(default_factory=list)
    unix_offset: float = field(default_factory=lambda: time.time() - time.monotonic())  # of the calls' times

    def __post_init__(self) -> None:
        # One random generator for each purpose: more draws of one kind do not change the others.
        self.rng_latency = self._rng("latency")
        self.rng_jobs = self._rng("jobs")
        self.uuids = Uuids(self.settings.uuid_seconds)
        rates = {"batch_update": Rate(1, self.settings.batch_window)}
        self.limiter = Limiter(self.settings.window, self.settings.penalty, rates)
        self.set_single_rules(self.settings.singles)
        self.tokens = Tokens(self.world.plugins, self.settings.expire_time, self._rng("tokens"))
        self.faults = Faults(self.settings.faults, self._rng("faults"))
        self.jobs = JobBook(self._land, self.agenda)

    def draw_latency(self) -> float:
        return self.rng_latency.uniform(*self.settings.latency)

    def set_single_rules(self, rules: SingleRules) -> None:
        self.single_rules = rules
        self.limiter.set_rate("update_item", rules.rate)

    def next_order(self) -> int:
        """Of a batch or single update that is accepted."""
        return len(self.jobs.jobs) + len(self.singles) + 1

    def forget(self) -> None:
        """Restore the values of the world file, without history; tokens, fault rules and rules of single updates stay."""
        self.cells.clear()
        self.agenda.clear()
        self.jobs.clear()
        self.singles.clear()
        self.lost_values.clear()
        self.limiter.clear()
        self.uuids.clear()
        self.answers.clear()
        self.oversize.clear()
        self.faults.fired.clear()

    def present(self, project: SandboxProject, item: Item, field_key: str) -> Any:
        cell = CellKey(project.key, item.id, field_key)
        return self.cells.values.get(cell, item.values.get(field_key))

    def record(self, cell: CellKey, touch: CellWrite) -> None:
        item = self.world.projects[cell.project_key].item(cell.item_id)
        held = self.cells.values.get(cell, item.values.get(cell.field_key) if item else None)
        is_same = values.identity(held) == values.identity(touch.value)
        self.cells.record(cell, touch, updates_item=self.settings.same_value_updates or not is_same)

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
        self.record(cell, touch)
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
        if names_disabled_option(found, update.after):
            return SCENE_OPTION_DISABLED
        present = self.present(project, item, update.field_key)
        if self.settings.doubles_members and update.mode == values.APPEND:
            return values.Write([*(present or []), *(update.after or [])] or None, applied=True)
        return values.write(update.mode, found.type_key, present, update.before, update.after)
