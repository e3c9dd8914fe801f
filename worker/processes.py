"""Which processes `feishu-batch up` consists of."""

import os
from collections.abc import Sequence
from pathlib import Path

from config.routing import QueueName
from config.settings import Settings, as_environment
from worker.child import Child

# Gossip and mingle are traffic between workers that have nothing to tell each other.
_WORKER_OPTIONS = ("--concurrency=1", "--pool=threads", "--without-gossip", "--without-mingle")


def worker_children(settings: Settings, python: str) -> list[Child]:
    """The settings go along as variables, so that nothing secret stands in an argument list."""
    data_dir = settings.data_dir.absolute()
    celery = (python, "-m", "celery", "-A", "worker.app", "--quiet")
    level = f"--loglevel={settings.log_level}"
    workers = {
        "submit": [QueueName.SUBMIT],
        "poll": [QueueName.POLL],
        # One at a time: intents of the Celery door are recorded in the order in which they came.
        "intake": [QueueName.INTENTS, QueueName.DEFAULT],
    }
    commands = {name: (*celery, "worker", *_worker_arguments(name, queues), level) for name, queues in workers.items()}
    commands["beat"] = (*celery, "beat", f"--schedule={data_dir / 'beat-schedule'}", "--pidfile=", level)
    return [_child(name, argv, settings, data_dir) for name, argv in commands.items()]


def _worker_arguments(name: str, queues: Sequence[QueueName]) -> tuple[str, ...]:
    # With the supervisor's pid a second `up` on this machine has other names, and a restarted worker has its old one.
    return (f"--queues={','.join(queues)}", *_WORKER_OPTIONS, f"--hostname={name}.{os.getpid()}@%h")


def _child(name: str, argv: tuple[str, ...], settings: Settings, data_dir: Path) -> Child:
    # Celery puts the working directory first on its import path: in a backend app's directory it would find the app's
    # own `tasks` and `config` in place of ours.
    return Child(name=name, argv=argv, env=as_environment(settings), cwd=data_dir)
