"""Events by which task monitors such as Flower show what is no Celery task: change sets and single intents. Which events: pure.

No event has a value of a field. Reasons of failures are left out, because they may repeat one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

import structlog
from celery import Celery
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from config.routing import TaskName
from feishu_batch.change_set import SetCounts
from feishu_batch.intents import in_short
from feishu_batch.results import IntentState, IntentView, Progress
from worker.ledger.records import GroupSpec
from worker.ledger.shown_tasks import Shown

log = structlog.get_logger("feishu_batch.sweep")

CHANGE_SET: Final = "feishu_batch.change_set"
QUIET: Final = 4.0  # seconds: while a set is being enqueued, all of it so far may have ended
_REVOKED: Final = frozenset({IntentState.CANCELED, IntentState.EXPIRED})


@dataclass(frozen=True, slots=True)
class TaskEvent:
    """`kind`: ``task-…``, as Celery's workers send it."""

    kind: str
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True)
class TaskReport:
    """What to send about a task, and what is on display then; None: it has ended."""

    uuid: str
    events: list[TaskEvent]
    shown: Shown | None


def about_set(shown: Shown | None, counts: SetCounts, now: float) -> TaskReport:
    """`shown`: None at the first look at it. A set that grows after its end is another task."""
    events, figures = [], repr(_figures(counts.progress))
    if shown is None:
        shown = Shown(f"{counts.change_set}@{_moment(counts.grew_at)}", now)
        about = {"change_set": counts.change_set, "note": counts.note, "producer": counts.producer}
        content = {name: value for name, value in about.items() if value}
        events = _begun(CHANGE_SET, repr({**content, "intents": counts.intents, "changes": counts.progress.total}))
    if counts.is_over and now - counts.grew_at > QUIET:
        more = f"; feishu-batch failures --set {counts.change_set}"
        return TaskReport(
            shown.uuid, [*events, _ended(counts.state, counts.progress, now - shown.began_at, more)], None
        )
    if figures != shown.figures:
        events.append(TaskEvent("task-started", {"result": figures}))
    return TaskReport(shown.uuid, events, replace(shown, figures=figures))


def about_intent(shown: Shown | None, view: IntentView, spec: GroupSpec | None, now: float) -> TaskReport:
    """`spec`: for the first look at it."""
    events = []
    if shown is None:
        shown = Shown(view.intent_id, now, lane=view.lane or "")
        words = {name: getattr(spec, name) for name in GroupSpec.__slots__} if spec else {}
        content = {**words, "intent_id": view.intent_id, "work_item_ids": [0] * view.progress.total}
        events = [*_begun(str(TaskName.UPDATE_WORK_ITEMS), in_short(content)), TaskEvent("task-started", {})]
    if view.state.is_final:
        return TaskReport(shown.uuid, [*events, _ended(view.state, view.progress, now - shown.began_at, "")], None)
    return TaskReport(shown.uuid, events, shown)


def _begun(name: str, kwargs: str) -> list[TaskEvent]:
    about = {"name": name, "args": "()", "kwargs": kwargs, "retries": 0, "eta": None, "expires": None}
    return [TaskEvent("task-received", {**about, "root_id": None, "parent_id": None})]


def _ended(state: IntentState, progress: Progress, seconds: float, more: str) -> TaskEvent:
    result = repr({"state": state.value, "counts": _figures(progress)})
    if state is IntentState.SUCCEEDED:
        return TaskEvent("task-succeeded", {"result": result, "runtime": round(seconds, 1)})
    if state in _REVOKED:
        fields = {"terminated": False, "signum": None, "expired": state is IntentState.EXPIRED}
        return TaskEvent("task-revoked", {**fields, "result": result})
    failed = f"ItemsFailed('{progress.failed} of {progress.total} changes failed{more}')"
    return TaskEvent("task-failed", {"exception": failed, "traceback": "", "result": result})


def _figures(progress: Progress) -> dict[str, int]:
    counts = {**progress.counts(), "in_flight": progress.in_flight, "pending": progress.pending}
    return {name: count for name, count in counts.items() if count}


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class TaskEvents:
    """Sends them as the worker that runs the current task. What cannot be sent is left out: the work does not depend on it."""

    def __init__(self, app: Celery) -> None:
        self._app = app

    def send(self, reports: Sequence[TaskReport]) -> None:
        if not any(one.events for one in reports):
            return
        task = self._app.current_worker_task
        hostname = task.request.hostname if task else None
        try:
            with self._app.events.default_dispatcher(hostname=hostname) as dispatcher:
                for one in reports:
                    for event in one.events:
                        dispatcher.send(event.kind, uuid=one.uuid, retry=False, **event.fields)
        except (OperationalError, RedisError, OSError) as error:
            log.warning("task_events.not_sent", error=type(error).__name__)
