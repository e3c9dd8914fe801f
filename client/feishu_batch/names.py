"""Names that messages carry between the two distributions."""

from feishu_batch.keys import DEFAULT_PREFIX

TASK_UPDATE_WORK_ITEMS = "feishu_batch.update_work_items"
TASK_INTAKE = "feishu_batch.intake"
TASK_SUBMIT_BATCH = "feishu_batch.submit_batch"
TASK_POLL_JOB = "feishu_batch.poll_job"
TASK_READ_BACK = "feishu_batch.read_back"
TASK_LOOK = "feishu_batch.look"
TASK_SEND_SINGLES = "feishu_batch.send_singles"
TASK_FINISH = "feishu_batch.finish"
TASK_PUBLISH = "feishu_batch.publish"
TASK_SWEEP = "feishu_batch.sweep"
TASK_RUN_SCHEDULE = "feishu_batch.run_schedule"
TASK_LOOK_AT_SCHEDULES = "feishu_batch.look_at_schedules"

QUEUE_INTENTS = "feishu.intents"
QUEUE_SUBMIT = "feishu.submit"
QUEUE_POLL = "feishu.poll"
QUEUE_DEFAULT = "feishu.default"

EXCHANGE_CONTROL, EXCHANGE_EVENTS = "celery", "celeryev"  # Celery's own names


def name_for(name: str, key_prefix: str) -> str:
    """The name of a queue or an exchange in the deployment with this key prefix: as it is for the default one, else with the prefix behind it.

    So two deployments on one broker never take each other's messages.
    """
    return name if key_prefix == DEFAULT_PREFIX else f"{name}.{key_prefix}"
