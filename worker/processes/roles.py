"""The processes of `feishu-batch up`."""

import os
from dataclasses import dataclass
from pathlib import Path

from config.explain import variable_name
from config.lanes import lane_names
from config.routing import QueueName, queue_name
from config.schedules import schedule_file
from config.settings import Settings, as_environment
from worker.processes.child import REFUSED, Child

# Gossip and mingle are traffic between workers, which ours do not need.
# Only Flower uses the heartbeats, and its default timeout is a minute.
_WORKER_OPTIONS = ("--pool=threads", "--without-gossip", "--without-mingle", "--heartbeat-interval=10")
# Lanes that one worker process serves at the same time. A lane mostly waits for its slot; further lanes take turns.
_MOST_THREADS = 64


@dataclass(frozen=True, slots=True)
class _Worker:
    queues: tuple[str, ...]
    threads: int


def worker_children(settings: Settings, python: str, instance: str | None = None) -> list[Child]:
    """The settings are passed as variables, so that no secret is in an argument list.

    `instance` distinguishes processes of one role on one machine. By default it is the pid of this process, their
    supervisor, so that a second `up` has other names and a restarted worker keeps its name.
    """
    instance = instance or str(os.getpid())
    data_dir = settings.data_dir.absolute()
    # -P: folders of the same name in the working directory are not ours.
    celery = (python, "-P", "-m", "celery", "-A", "worker.app", "--quiet")
    level = f"--loglevel={settings.log_level}"
    lanes = min(_MOST_THREADS, len(lane_names(settings)))
    workers = {
        # A thread per lane, so that a lane that waits for its slot does not block others; within a lane one request at a time.
        "submit": _Worker((queue_name(QueueName.SUBMIT, settings),), lanes),
        # The same, and as many again for read-backs, for looks, and for single updates.
        "poll": _Worker(
            (queue_name(QueueName.POLL, settings),), (4 if settings.single_updates_per_second else 3) * lanes
        ),
        # One at a time: intents of the Celery task are recorded in the order of arrival.
        "intake": _Worker((queue_name(QueueName.INTENTS, settings), queue_name(QueueName.DEFAULT, settings)), 1),
    }
    commands = {
        name: (*celery, "worker", *_worker_arguments(name, worker, instance), level) for name, worker in workers.items()
    }
    commands["beat"] = (*celery, "beat", "--scheduler=worker.beat:Beat", "--pidfile=", level)
    return [_child(name, argv, settings, data_dir) for name, argv in commands.items()]


def _worker_arguments(name: str, worker: _Worker, instance: str) -> tuple[str, ...]:
    queues = f"--queues={','.join(worker.queues)}"
    return (queues, f"--concurrency={worker.threads}", *_WORKER_OPTIONS, f"--hostname={name}.{instance}@%h")


def _child(name: str, argv: tuple[str, ...], settings: Settings, data_dir: Path) -> Child:
    # Celery puts the working directory first on its import path: in a backend app's directory it would import the app's
    # `tasks` and `config` instead of ours.
    return Child(name=name, argv=argv, env=_environment(settings), cwd=data_dir, final_code=REFUSED)


def _environment(settings: Settings) -> dict[str, str]:
    """The children have another working directory, so paths relative to ours are passed as absolute ones."""
    schedules = schedule_file(settings)
    found = {"data_dir": settings.data_dir.absolute(), **({"schedule_file": schedules} if schedules else {})}
    return {**as_environment(settings), **{variable_name(name): str(path) for name, path in found.items()}}
