"""The fixed names of Celery tasks and queues as types, the route of each task, and the names under another key prefix."""

from enum import StrEnum
from typing import Final

from config.settings import Settings
from feishu_batch import names


class TaskName(StrEnum):
    UPDATE_WORK_ITEMS = names.TASK_UPDATE_WORK_ITEMS  # the task that producers call: one task is one intent
    INTAKE = names.TASK_INTAKE
    SUBMIT_BATCH = names.TASK_SUBMIT_BATCH
    POLL_JOB = names.TASK_POLL_JOB
    READ_BACK = names.TASK_READ_BACK
    LOOK = names.TASK_LOOK
    SEND_SINGLES = names.TASK_SEND_SINGLES
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
    TaskName.LOOK: QueueName.POLL,
    TaskName.SEND_SINGLES: QueueName.POLL,
    TaskName.FINISH: QueueName.DEFAULT,
    TaskName.PUBLISH: QueueName.DEFAULT,
    TaskName.SWEEP: QueueName.DEFAULT,
    TaskName.RUN_SCHEDULE: QueueName.DEFAULT,
    TaskName.LOOK_AT_SCHEDULES: QueueName.DEFAULT,
}

# A worker has the role of the queue that it consumes. The intake worker's second queue has no role.
ROLE_OF_QUEUE: Final = {QueueName.SUBMIT: "submit", QueueName.POLL: "poll", QueueName.INTENTS: "intake"}


def queue_name(queue: QueueName, settings: Settings) -> str:
    return names.name_for(queue.value, settings.key_prefix)


def roles_by_queue(settings: Settings) -> dict[str, str]:
    return {queue_name(queue, settings): role for queue, role in ROLE_OF_QUEUE.items()}


def task_routes(settings: Settings) -> dict[str, dict[str, str]]:
    """Exact names first, then the patterns in order. A queue set in a signature overrides them all."""
    routes = {str(task): {"queue": queue_name(queue, settings)} for task, queue in QUEUE_OF.items()}
    routes["celery.*"] = {"queue": queue_name(QueueName.DEFAULT, settings)}
    # A producer's callback or next link of a chain is sent by *our* worker. In our own default queue it would be lost:
    # our workers do not know the producer's tasks.
    routes["*"] = {"queue": settings.callback_queue}
    return routes


def task_queues(settings: Settings) -> dict[str, dict[str, str]]:
    """Exchange and routing key as Celery's defaults for a queue name, so that producers need no declaration."""
    queues = [queue_name(queue, settings) for queue in QueueName]
    return {name: {"exchange": name, "exchange_type": "direct", "routing_key": name} for name in queues}


def control_exchange(settings: Settings) -> str:
    """Of remote control: questions and commands to workers."""
    return names.name_for(names.EXCHANGE_CONTROL, settings.key_prefix)


def event_exchange(settings: Settings) -> str:
    return names.name_for(names.EXCHANGE_EVENTS, settings.key_prefix)
