"""The fixed names of Celery tasks and queues as types, and which task goes where."""

from enum import StrEnum
from typing import Final

from config.settings import Settings
from feishu_batch import names


class TaskName(StrEnum):
    UPDATE_WORK_ITEMS = names.TASK_UPDATE_WORK_ITEMS  # the Celery door: one task is one intent
    INTAKE = names.TASK_INTAKE
    SUBMIT_BATCH = names.TASK_SUBMIT_BATCH
    POLL_JOB = names.TASK_POLL_JOB
    READ_BACK = names.TASK_READ_BACK
    FINISH = names.TASK_FINISH
    PUBLISH = names.TASK_PUBLISH
    SWEEP = names.TASK_SWEEP
    RUN_SCHEDULE = names.TASK_RUN_SCHEDULE
    LOOK_AT_SCHEDULES = names.TASK_LOOK_AT_SCHEDULES


class QueueName(StrEnum):
    INTENTS = names.QUEUE_INTENTS
    SUBMIT = names.QUEUE_SUBMIT
    POLL = names.QUEUE_POLL
    DEFAULT = names.QUEUE_DEFAULT


QUEUE_OF: Final = {
    TaskName.UPDATE_WORK_ITEMS: QueueName.INTENTS,
    TaskName.INTAKE: QueueName.INTENTS,
    TaskName.SUBMIT_BATCH: QueueName.SUBMIT,
    TaskName.POLL_JOB: QueueName.POLL,
    TaskName.READ_BACK: QueueName.POLL,
    TaskName.FINISH: QueueName.DEFAULT,
    TaskName.PUBLISH: QueueName.DEFAULT,
    TaskName.SWEEP: QueueName.DEFAULT,
    TaskName.RUN_SCHEDULE: QueueName.DEFAULT,
    TaskName.LOOK_AT_SCHEDULES: QueueName.DEFAULT,
}


def task_routes(settings: Settings) -> dict[str, dict[str, str]]:
    """Exact names first, then the patterns in their order. A queue that a signature names itself wins over all of them."""
    routes = {str(task): {"queue": str(queue)} for task, queue in QUEUE_OF.items()}
    routes["celery.*"] = {"queue": str(QueueName.DEFAULT)}
    # A producer's callback or next link of a chain is sent by *our* worker. Our own default queue would swallow it:
    # nobody there knows the producer's tasks.
    routes["*"] = {"queue": settings.callback_queue}
    return routes


def task_queues() -> dict[str, dict[str, str]]:
    """Exchange and routing key as Celery makes them for a queue that it meets by name, so that producers need no declaration."""
    return {
        str(name): {"exchange": str(name), "exchange_type": "direct", "routing_key": str(name)} for name in QueueName
    }
