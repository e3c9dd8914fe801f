"""Celery's remote control, where it meets the ledger: `revoke` takes an intent back, and terminates nothing of ours."""

from functools import cache
from typing import Any

import structlog
from celery.utils.functional import maybe_list
from celery.worker.control import Panel, control_command
from celery.worker.request import Request
from redis.exceptions import RedisError

from config.settings import load_settings
from worker.app import app
from worker.pipeline.revoking import Revoking

log = structlog.get_logger("feishu_batch.control")

_revoke_of_celery = Panel.data["revoke"]
_revoke_by_stamps_of_celery = Panel.data["revoke_by_stamped_headers"]


@cache
def _revoking() -> Revoking:
    return Revoking.from_settings(app, load_settings())


@control_command(name="revoke", variadic="task_id", signature="[id1 [id2 [... [idN]]]]")
def revoke(state: Any, task_id: Any, terminate: bool = False, signal: Any = None, **_: Any) -> Any:  # noqa: ARG001 - Celery's names
    """Revoke task by task id (or list of ids); of an intent, what still waits is canceled.

    A request that is under way is never cut off: whoever ends a worker in the middle of it learns nothing of its outcome.
    """
    ids = {str(one) for one in maybe_list(task_id) or []}
    try:
        intents = _revoking().revoke(ids)
    except RedisError as error:
        log.warning("revoke.not_done", error=type(error).__name__)
        return {"error": f"the ledger cannot be reached ({type(error).__name__}): revoke again"}
    if others := ids - intents:
        return _revoke_of_celery(state, sorted(others))
    return {"ok": f"intents {sorted(intents)} canceled, as far as they were not under way"}


@control_command(name="revoke_by_stamped_headers", variadic="headers", signature="[key1=value1 [... [keyN=valueN]]]")
def revoke_by_stamped_headers(state: Any, headers: Any, terminate: bool = False, signal: Any = None, **_: Any) -> Any:  # noqa: ARG001 - Celery's names
    """Revoke task by header (or list of headers); what has been taken in as an intent goes on."""
    return _revoke_by_stamps_of_celery(state, headers)


class UnrevokedRequest(Request):
    """Of a task that the ledger asked for: whether its intent was revoked is for the ledger to say."""

    def revoked(self) -> bool:
        return False
