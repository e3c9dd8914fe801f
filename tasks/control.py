"""Celery's remote control for intents: `revoke` cancels an intent, and never terminates a worker process."""

import contextlib
from functools import cache
from typing import Any

import structlog
from celery.utils.functional import maybe_list
from celery.worker.control import Panel, control_command, inspect_command
from celery.worker.request import Request
from redis.exceptions import RedisError

from config.settings import load_settings
from worker.app import app
from worker.connections import connect
from worker.ledger.belonging import Belonging
from worker.pipeline.revoking import Revoking
from worker.processes.belonging import LEDGER_COMMAND

log = structlog.get_logger("feishu_batch.control")

_revoke_of_celery = Panel.data["revoke"]
_revoke_by_stamps_of_celery = Panel.data["revoke_by_stamped_headers"]


@cache
def _revoking() -> Revoking:
    return Revoking.from_settings(app, load_settings())


@control_command(name="revoke", variadic="task_id", signature="[id1 [id2 [... [idN]]]]")
def revoke(state: Any, task_id: Any, terminate: bool = False, signal: Any = None, **_: Any) -> Any:  # noqa: ARG001 - Celery's names
    """Revoke task by task id (or list of ids); for an intent, pending items are canceled.

    A request in progress is never interrupted: the outcome of an interrupted request would be unknown.
    """
    ids = {str(one) for one in maybe_list(task_id) or []}
    try:
        intents = _revoking().revoke(ids)
    except RedisError as error:
        log.warning("revoke.not_done", error=type(error).__name__)
        return {"error": f"the ledger cannot be reached ({type(error).__name__}): revoke again"}
    if others := ids - intents:
        return _revoke_of_celery(state, sorted(others))
    return {"ok": f"intents {sorted(intents)} canceled, except for items that were in progress"}


@control_command(name="revoke_by_stamped_headers", variadic="headers", signature="[key1=value1 [... [keyN=valueN]]]")
def revoke_by_stamped_headers(state: Any, headers: Any, terminate: bool = False, signal: Any = None, **_: Any) -> Any:  # noqa: ARG001 - Celery's names
    """Revoke task by header (or list of headers); recorded intents are not affected."""
    return _revoke_by_stamps_of_celery(state, headers)


@inspect_command(name=LEDGER_COMMAND)
def ledger(state: Any, **_: Any) -> dict[str, str]:  # noqa: ARG001 - Celery's name
    """Name of the ledger that this worker serves."""
    with contextlib.closing(connect(load_settings())) as redis:
        return {"ledger": Belonging(redis, load_settings().key_prefix).name()}


class UnrevokedRequest(Request):
    """A request for a task that the ledger sent: the ledger decides whether its intent was revoked."""

    def revoked(self) -> bool:
        return False
