"""The main endpoints: token, batch_update, task_result."""

from contextlib import suppress
from dataclasses import replace
from typing import Any

from sandbox import errors, values
from sandbox.core import LoggedCall, PostedBatch, Sandbox
from sandbox.errors import ApiError
from sandbox.faults import POLL
from sandbox.fields import check_options, related, shaped
from sandbox.jobs import Flaws, Job, Update, draw_course
from sandbox.tokens import PREFIXES
from sandbox.world import FieldDefinition, SandboxProject

MAX_ITEMS = 50
TASK_ID_PREFIX = "WORK_ITEM_BATCH_UPDATE-"
# Task ids look like the real ones: 19 digits.
TASK_ID_RANGE = (7_300_000_000_000_000_000, 7_500_000_000_000_000_000)


def plugin_token(sandbox: Sandbox, call: LoggedCall) -> dict[str, Any]:
    body = call.body()
    plugin_id, secret, kind = body.get("plugin_id"), body.get("plugin_secret"), body.get("type", 0)
    if not isinstance(plugin_id, str) or not isinstance(secret, str) or not plugin_id or not secret:
        raise ApiError(errors.INVALID_PARAM, "plugin_id and plugin_secret are needed")
    if type(kind) is not int or kind not in PREFIXES:
        raise ApiError(errors.INVALID_PARAM, "type is 0 or 1")
    token, expire_time = sandbox.tokens.issue(plugin_id, secret, kind, call.at)
    return {"token": token, "expire_time": int(expire_time) if expire_time == int(expire_time) else expire_time}


def batch_update(sandbox: Sandbox, call: LoggedCall) -> dict[str, Any]:
    def start() -> dict[str, Any]:
        return {"task_id": _start_job(sandbox, call, _parse_update(sandbox, call)).task_id}

    key = (call.token, "batch_update", call.idem)
    return sandbox.uuids.once(key, sandbox.settings.batch_uuid, call.at, start)


def execute_later(sandbox: Sandbox, call: LoggedCall, seconds: float) -> None:
    """A request that a gateway gave up on: its job starts later, the client never gets its name, and a repeat is not recognised."""
    unmarked = {**call.headers, "x-idem-uuid": ""}
    with suppress(ApiError):
        batch_update(sandbox, replace(call, at=call.at + seconds, headers=unmarked))


def task_result(sandbox: Sandbox, call: LoggedCall) -> dict[str, Any]:
    task_id = call.query.get("task_id", "")
    if not task_id:
        raise ApiError(errors.INVALID_PARAM, "task_id is needed")
    job = sandbox.jobs.find(task_id)
    is_hidden = job is not None and call.at < job.arrived_at + sandbox.settings.job_hidden
    if job is None or is_hidden or sandbox.faults.draw("task_result", POLL):
        return {"task_id": task_id, "task_status": "NOT_EXIST"}
    return job.report(call.at)


def _start_job(sandbox: Sandbox, call: LoggedCall, update: Update) -> Job:
    settings, rng = sandbox.settings, sandbox.rng_jobs
    job = Job(
        task_id=f"{TASK_ID_PREFIX}{rng.randrange(*TASK_ID_RANGE)}",
        order=sandbox.next_order(),
        update=update,
        arrived_at=call.at,
        course=draw_course(rng, update.item_ids, call.at, settings.job_median, settings.job_sigma),
        flaws=_draw_flaws(sandbox, update),
        plugin=call.plugin,
        user_key=call.user_key,
        idem=call.idem,
    )
    sandbox.jobs.add(job)
    return job


def _draw_flaws(sandbox: Sandbox, update: Update) -> Flaws:
    def drawn(name: str) -> bool:
        return sandbox.faults.draw("batch_update", (name,)) is not None

    omitted = frozenset({sandbox.rng_jobs.choice(update.item_ids)} if drawn("omit_item") else ())
    return Flaws(
        is_lost=drawn("lose_job"),
        is_void=drawn("void_job"),
        is_endless=drawn("endless_job"),
        omitted=omitted,
        skipped=frozenset(i for i in omitted if sandbox.rng_jobs.randrange(2)),
    )


def _parse_update(sandbox: Sandbox, call: LoggedCall) -> Update:
    body = call.body()
    item_ids = _item_ids(sandbox, call, body.get("work_item_ids"))
    project = _project(sandbox, body.get("project_key"))
    type_key = body.get("work_item_type_key")
    if not isinstance(type_key, str) or type_key not in project.types:
        raise ApiError(errors.TYPE_NOT_FOUND, str(type_key))
    mode = body.get("update_mode")
    if not isinstance(mode, str) or mode not in values.MODES:
        raise ApiError(errors.INVALID_PARAM, "update_mode is APPEND, UPDATE or REPLACE")
    field = _field(project, type_key, body.get("field_key"))
    if mode not in values.modes_of(field):
        raise ApiError(errors.FIELD_NOT_WRITABLE, f"{mode} of {field.key} ({field.type_as_given})")
    before = _value(sandbox, field, body, "before_field_value") if mode == values.REPLACE else None
    after = _value(sandbox, field, body, "after_field_value")
    # An unknown option fails the whole request, because all items would get it; a disabled one fails item by item, in the job.
    check_options(field, after)
    errors.refuse_by_code(next((poison for i in item_ids if (poison := _poison(project, i))), None))
    return Update(project.key, type_key, item_ids, field.key, mode, before, related(project, field, after))


def _item_ids(sandbox: Sandbox, call: LoggedCall, given: Any) -> tuple[int, ...]:
    if not isinstance(given, list) or not given:
        raise ApiError(errors.INVALID_PARAM, "work_item_ids is a list of integers")
    if len(given) > MAX_ITEMS:
        sandbox.oversize.append(PostedBatch(call.at, len(given)))
        raise ApiError(errors.TOO_MANY_ITEMS)
    # bool is a subclass of int in Python; 1.0 and "1" are not integers in JSON.
    if any(type(i) is not int or not 0 < i < values.INT64_END for i in given):
        raise ApiError(errors.INVALID_PARAM, "work_item_ids are JSON integers")
    return tuple(dict.fromkeys(given))


def _project(sandbox: Sandbox, given: Any) -> SandboxProject:
    # In a body only the real key is accepted; `World.project` would accept the simple name too.
    if not isinstance(given, str) or given not in sandbox.world.projects:
        raise ApiError(errors.PROJECT_KEY_WRONG)
    errors.refuse_by_code(sandbox.world.projects[given].closed)
    return sandbox.world.projects[given]


def _poison(project: SandboxProject, item_id: int) -> int | None:
    item = project.item(item_id)
    return item.poison if item else None


def _field(project: SandboxProject, type_key: str, given: Any) -> FieldDefinition:
    if not isinstance(given, str) or not given:
        raise ApiError(errors.INVALID_PARAM, "field_key is one string")
    field = project.field(given, type_key)
    if field is None:
        raise ApiError(errors.FIELD_NOT_FOUND, given)
    return field


def _value(sandbox: Sandbox, field: FieldDefinition, body: dict[str, Any], key: str) -> Any:
    if key not in body:
        raise ApiError(errors.INVALID_PARAM, f"{key} is missing; null clears the field")
    return shaped(field, body[key], sandbox.settings.clears_with, key)
