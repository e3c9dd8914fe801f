"""The steps after intake. Each is a hint to read the ledger: running one too often, or twice at once, is harmless."""

from typing import Any, Final, NoReturn

import structlog
from celery import Task
from celery.exceptions import Ignore, Reject, TaskRevokedError
from celery.signals import task_revoked
from celery.states import REVOKED

from config.routing import TaskName
from feishu_batch.errors import ItemsFailed
from feishu_batch.results import IntentState, read_intent
from tasks.messages import STRATEGY
from tasks.process import runtime
from worker.app import app
from worker.pipeline.publish import outcome_of
from worker.runtime import LaneRuntime

NOT_SERVED: Final[dict[str, object]] = {"state": "not_served"}  # the lane's settings are faulty


class StepTask(Task):
    """A step of the pipeline: only Flower shows its result."""

    ignore_result = True
    Strategy = STRATEGY


def _lane_of(name: str) -> LaneRuntime:
    """The lane of a hint."""
    structlog.contextvars.clear_contextvars()
    lane = runtime().lanes.get(name)
    if lane is None:
        raise Reject(
            f"this worker has no lane {name!r}; a worker with another lanes file shares its queues", requeue=False
        )
    structlog.contextvars.bind_contextvars(lane=name)
    return lane


def _look_into(name: str, task: TaskName) -> LaneRuntime:
    """The lane of a hint; from here on a new hint of this kind may be sent."""
    lane = _lane_of(name)
    lane.hints.arrived(task)
    return lane


@app.task(base=StepTask, name=str(TaskName.INTAKE))
def intake() -> dict[str, int]:
    """Record the intents in the inbox."""
    structlog.contextvars.clear_contextvars()
    here = runtime()
    here.hints.arrived()
    return {"intents_recorded": here.intake.drain()}


@app.task(base=StepTask, name=str(TaskName.SUBMIT_BATCH))
def submit_batch(lane: str) -> dict[str, object]:
    """Send one batch, if one is ready."""
    remote = _lane_of(lane).remote
    return remote.submitter.run() if remote else NOT_SERVED


@app.task(base=StepTask, name=str(TaskName.POLL_JOB))
def poll_job(lane: str, batch: int = 0, job: str = "") -> dict[str, object]:  # noqa: ARG001 - for the reader of Flower
    """Poll the job that has been due for longest."""
    remote = _look_into(lane, TaskName.POLL_JOB).remote
    return remote.poller.run() if remote else NOT_SERVED


@app.task(base=StepTask, name=str(TaskName.READ_BACK))
def read_back(lane: str, batch: int = 0) -> dict[str, object]:  # noqa: ARG001 - for the reader of Flower
    """Read the cells of a batch whose outcome is unknown."""
    remote = _look_into(lane, TaskName.READ_BACK).remote
    if remote is None:
        return NOT_SERVED
    return {**remote.read_back.run(), "singles": remote.single_checks.run()}


@app.task(base=StepTask, name=str(TaskName.SEND_SINGLES))
def send_singles(lane: str) -> dict[str, object]:
    """Send single updates while there are changes for them."""
    remote = _look_into(lane, TaskName.SEND_SINGLES).remote
    return remote.singles.run() if remote and remote.singles else NOT_SERVED


@app.task(base=StepTask, name=str(TaskName.LOOK))
def look(lane: str) -> dict[str, object]:
    """Look at cells before their changes are sent, and skip what is not needed."""
    remote = _look_into(lane, TaskName.LOOK).remote
    return remote.look_ahead.run() if remote else NOT_SERVED


@app.task(base=StepTask, name=str(TaskName.PUBLISH))
def publish(lane: str) -> dict[str, int]:
    """Publish the results of ended intents."""
    return {"intents_published": _look_into(lane, TaskName.PUBLISH).publisher.run()}


@app.task(base=StepTask, name=str(TaskName.SWEEP), send_events=False)  # every 2 s, which would only flood Flower
def sweep() -> dict[str, int]:
    """Find work whose hint was lost."""
    structlog.contextvars.clear_contextvars()
    return runtime().sweep.run()


class Finish(Task):
    """The parked half of the producer's task. Celery stores its result, runs callbacks and continues the chain."""

    Strategy = STRATEGY
    Request = "tasks.control:UnrevokedRequest"

    def end_as_revoked(self, error: TaskRevokedError) -> NoReturn:
        """Like a failure in Celery, because a task body can only succeed or fail: with errbacks, and for the rest of chain and chord."""
        self.backend.mark_as_failure(self.request.id, error, request=self.request, state=REVOKED)
        is_expired = error.args == (IntentState.EXPIRED.value,)
        self.send_event("task-revoked", terminated=False, signum=None, expired=is_expired)  # for Flower
        task_revoked.send(sender=self, request=self.request, terminated=False, signum=None, expired=is_expired)
        self.after_return(REVOKED, error, self.request.id)
        raise Ignore

    def after_return(self, status: str, _result: Any, task_id: str, *_: Any) -> None:
        """Only now is the result stored, so the end counts as published."""
        here = runtime()
        number, lane = here.inbox.locate(task_id) or (0, None)
        if lane and status != "IGNORED":
            here.inbox.release(number)
            here.lanes[lane].lane.confirm_published([number])
            if here.inbox.parked(number) is not None and here.lanes[lane].lane.republish_if_ended(number):
                here.lanes[lane].hints.publish()  # parked again meanwhile: that signature must be released, too


@app.task(base=Finish, bind=True, name=str(TaskName.FINISH), throws=(ItemsFailed,))
def finish(self: Any) -> dict[str, object]:
    """Read the outcome from the ledger: an argument would be lost if the parked signature is a chain."""
    here = runtime()
    located = here.inbox.locate(self.request.id)
    view = read_intent(here.redis, here.settings.key_prefix, self.request.id)
    if located is None or view is None or view.result is None or here.inbox.parked(located[0]) is None:
        raise Ignore  # sent twice, or too early: the first run has done the work, or a later one will
    outcome = outcome_of(view)
    if isinstance(outcome, TaskRevokedError):
        self.end_as_revoked(outcome)
    if isinstance(outcome, Exception):
        raise outcome
    return outcome
