"""The steps behind the doors. Each is a hint to look into the ledger: running one too often, or twice at once, is harmless."""

from typing import Any, NoReturn

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


class Step(Task):
    """A step of the pipeline: its result is of no interest to anybody but Flower."""

    ignore_result = True
    Strategy = STRATEGY


def _lane_of(name: str) -> LaneRuntime:
    """The lane that a hint is about."""
    structlog.contextvars.clear_contextvars()
    lane = runtime().lanes.get(name)
    if lane is None:
        raise Reject(
            f"this worker has no lane {name!r}; a worker with another lanes file shares its queues", requeue=False
        )
    structlog.contextvars.bind_contextvars(lane=name)
    return lane


def _look_into(name: str, task: TaskName) -> LaneRuntime:
    """The lane that a hint is about; from here on a new hint of the kind may be sent."""
    lane = _lane_of(name)
    lane.hints.arrived(task)
    return lane


@app.task(base=Step, name=str(TaskName.INTAKE))
def intake() -> dict[str, int]:
    """Record what the inbox holds."""
    structlog.contextvars.clear_contextvars()
    here = runtime()
    here.hints.arrived()
    return {"intents_taken_in": here.intake.drain()}


@app.task(base=Step, name=str(TaskName.SUBMIT_BATCH))
def submit_batch(lane: str) -> dict[str, object]:
    """Send one batch, if there is one to send."""
    return _lane_of(lane).submitter.run()


@app.task(base=Step, name=str(TaskName.POLL_JOB))
def poll_job(lane: str, batch: int = 0, job: str = "") -> dict[str, object]:  # noqa: ARG001 - for the reader of Flower
    """Ask for the job that is due most."""
    return _look_into(lane, TaskName.POLL_JOB).follower.poll()


@app.task(base=Step, name=str(TaskName.READ_BACK))
def read_back(lane: str, batch: int = 0) -> dict[str, object]:  # noqa: ARG001 - for the reader of Flower
    """Read the cells of a batch whose outcome is unknown."""
    return _look_into(lane, TaskName.READ_BACK).follower.read_back()


@app.task(base=Step, name=str(TaskName.PUBLISH))
def publish(lane: str) -> dict[str, int]:
    """Make known what became of ended intents."""
    return {"intents_made_known": _look_into(lane, TaskName.PUBLISH).publisher.run()}


@app.task(base=Step, name=str(TaskName.SWEEP), send_events=False)  # every 2 s, and nobody would look at it in Flower
def sweep() -> dict[str, int]:
    """Find work that nobody was told of."""
    structlog.contextvars.clear_contextvars()
    return runtime().sweep.run()


class Finish(Task):
    """The parked half of the producer's task. Celery stores its result, runs callbacks and goes on with the chain."""

    Strategy = STRATEGY
    Request = "tasks.control:UnrevokedRequest"

    def end_as_revoked(self, error: TaskRevokedError) -> NoReturn:
        """As Celery ends a failure, for a body can only succeed or fail: with errbacks, and for the rest of chain and chord."""
        self.backend.mark_as_failure(self.request.id, error, request=self.request, state=REVOKED)
        is_expired = error.args == (IntentState.EXPIRED.value,)
        self.send_event("task-revoked", terminated=False, signum=None, expired=is_expired)  # for Flower
        task_revoked.send(sender=self, request=self.request, terminated=False, signum=None, expired=is_expired)
        self.after_return(REVOKED, error, self.request.id)
        raise Ignore

    def after_return(self, status: str, _result: Any, task_id: str, *_: Any) -> None:
        """Only now is the result stored: the end counts as made known."""
        here = runtime()
        number, lane = here.front.locate(task_id) or (0, None)
        if lane and status != "IGNORED":
            here.front.release(number)
            here.lanes[lane].lane.confirm_published([number])
            if here.front.parked(number) is not None and here.lanes[lane].lane.republish_if_ended(number):
                here.lanes[lane].hints.publish()  # parked anew meanwhile: that one has to be released, too


@app.task(base=Finish, bind=True, name=str(TaskName.FINISH), throws=(ItemsFailed,))
def finish(self: Any) -> dict[str, object]:
    """Read the outcome from the ledger: an argument would be lost where the parked signature is a chain."""
    here = runtime()
    located = here.front.locate(self.request.id)
    view = read_intent(here.redis, here.settings.key_prefix, self.request.id)
    if located is None or view is None or view.result is None or here.front.parked(located[0]) is None:
        raise Ignore  # sent twice, or before its time: the first run did it, or the one to come will
    outcome = outcome_of(view)
    if isinstance(outcome, TaskRevokedError):
        self.end_as_revoked(outcome)
    if isinstance(outcome, Exception):
        raise outcome
    return outcome
