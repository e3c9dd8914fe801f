"""The steps behind the doors. Each is a hint to look into the ledger: running one too often, or twice at once, is harmless."""

from typing import Any

import structlog
from celery import Task
from celery.exceptions import Ignore

from config.routing import TaskName
from feishu_batch.results import read_intent
from tasks.process import runtime
from worker.app import app
from worker.publish import outcome_of


class Step(Task):
    """A step of the pipeline: its result is of no interest to anybody but Flower."""

    ignore_result = True

    def before_start(self, _task_id: str, _args: Any, _kwargs: Any) -> None:
        structlog.contextvars.clear_contextvars()
        name = TaskName(self.name)
        if name is not TaskName.SWEEP:
            runtime().hints.arrived(name)


@app.task(base=Step, name=str(TaskName.INTAKE))
def intake() -> int:
    """Record what the inbox holds."""
    return runtime().intake.drain()


@app.task(base=Step, name=str(TaskName.SUBMIT_BATCH))
def submit_batch(lane: str = "") -> dict[str, object]:  # noqa: ARG001 - for the reader of Flower
    """Send one batch, if there is one to send."""
    return runtime().submitter.run()


@app.task(base=Step, name=str(TaskName.POLL_JOB))
def poll_job(lane: str = "", batch: int = 0, job: str = "") -> dict[str, object]:  # noqa: ARG001 - as above
    """Ask for the job that is due most."""
    return runtime().follower.poll()


@app.task(base=Step, name=str(TaskName.READ_BACK))
def read_back(lane: str = "", batch: int = 0) -> dict[str, object]:  # noqa: ARG001 - as above
    """Read the cells of a batch whose outcome is unknown."""
    return runtime().follower.read_back()


@app.task(base=Step, name=str(TaskName.PUBLISH))
def publish(lane: str = "") -> int:  # noqa: ARG001 - as above
    """Make known what became of ended intents."""
    return runtime().publisher.run()


@app.task(base=Step, name=str(TaskName.SWEEP))
def sweep() -> dict[str, int]:
    """Find work that nobody was told of."""
    return runtime().sweep.run()


class Finish(Task):
    """The parked half of the producer's task. Celery stores its result, runs callbacks and goes on with the chain."""

    def after_return(self, status: str, _result: Any, task_id: str, *_: Any) -> None:
        """Only now is the result stored: the end counts as made known."""
        located = runtime().front.locate(task_id)
        if located and status != "IGNORED":
            number = located[0]
            runtime().front.unpark(number)
            runtime().lane.confirm_published([number])


@app.task(base=Finish, bind=True, name=str(TaskName.FINISH))
def finish(self: Any) -> dict[str, object]:
    """Read the outcome from the ledger: an argument would be lost where the parked signature is a chain."""
    here = runtime()
    located = here.front.locate(self.request.id)
    view = read_intent(here.redis, here.settings.key_prefix, self.request.id)
    if located is None or view is None or view.result is None or here.front.parked(located[0]) is None:
        raise Ignore  # sent twice, or before its time: the first run did it, or the one to come will
    outcome = outcome_of(view)
    if isinstance(outcome, Exception):
        raise outcome
    return outcome
