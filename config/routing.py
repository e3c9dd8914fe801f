"""The fixed names of Celery tasks and queues, and which task goes where. Other tools rely on these names."""

from enum import StrEnum
from typing import Final

from config.settings import Settings


class TaskName(StrEnum):
    UPDATE_WORK_ITEMS = "feishu_batch.update_work_items"  # the Celery door: one task is one intent
    INTAKE = "feishu_batch.intake"
    SUBMIT_BATCH = "feishu_batch.submit_batch"
    POLL_JOB = "feishu_batch.poll_job"
    READ_BACK = "feishu_batch.read_back"
    FINISH = "feishu_batch.finish"
    PUBLISH = "feishu_batch.publish"
    SWEEP = "feishu_batch.sweep"


class QueueName(StrEnum):
    INTENTS = "feishu.intents"
    SUBMIT = "feishu.submit"
    POLL = "feishu.poll"
    DEFAULT = "feishu.default"


QUEUE_OF: Final = {
    TaskName.UPDATE_WORK_ITEMS: QueueName.INTENTS,
    TaskName.INTAKE: QueueName.INTENTS,
    TaskName.SUBMIT_BATCH: QueueName.SUBMIT,
    TaskName.POLL_JOB: QueueName.POLL,
    TaskName.READ_BACK: QueueName.POLL,
    TaskName.FINISH: QueueName.DEFAULT,
    TaskName.PUBLISH: QueueName.DEFAULT,
    TaskName.SWEEP: QueueName.DEFAULT,
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
