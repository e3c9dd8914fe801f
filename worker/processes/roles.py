"""Which processes `feishu-batch up` consists of."""

import os
from dataclasses import dataclass
from pathlib import Path

from config.explain import variable_name
from config.lanes import lane_names
from config.routing import QueueName
from config.schedules import schedule_file
from config.settings import Settings, as_environment
from worker.processes.child import Child

# Gossip and mingle are traffic between workers that have nothing to tell each other.
# Heartbeats are for Flower alone, and so are seen by it within its usual minute.
_WORKER_OPTIONS = ("--pool=threads", "--without-gossip", "--without-mingle", "--heartbeat-interval=10")
# Lanes that one worker process serves at once. A lane waits for its slot most of the time; more lanes take turns.
_MOST_THREADS = 64


@dataclass(frozen=True, slots=True)
class _Worker:
    queues: tuple[QueueName, ...]
    threads: int


def worker_children(settings: Settings, python: str, instance: str | None = None) -> list[Child]:
    """The settings go along as variables, so that nothing secret stands in an argument list.

    `instance` tells apart processes of one role on one machine; by default it is the pid of this process, their
    supervisor: a second `up` has other names then, and a restarted worker has its old one.
    """
    instance = instance or str(os.getpid())
    data_dir = settings.data_dir.absolute()
    # -P: folders of the working directory that are named like ours are somebody else's.
    celery = (python, "-P", "-m", "celery", "-A", "worker.app", "--quiet")
    level = f"--loglevel={settings.log_level}"
    lanes = min(_MOST_THREADS, len(lane_names(settings)))
    workers = {
        # A thread per lane, so that a lane that waits for its slot holds up no other; within a lane one request at a time.
        "submit": _Worker((QueueName.SUBMIT,), lanes),
        # The same, and as many again for read-backs.
        "poll": _Worker((QueueName.POLL,), 2 * lanes),
        # One at a time: intents of the Celery door are recorded in the order in which they came.
        "intake": _Worker((QueueName.INTENTS, QueueName.DEFAULT), 1),
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
    # Celery puts the working directory first on its import path: in a backend app's directory it would find the app's
    # own `tasks` and `config` in place of ours.
    return Child(name=name, argv=argv, env=_environment(settings), cwd=data_dir)


def _environment(settings: Settings) -> dict[str, str]:
    """They have another working directory, so what was found by ours has to be named."""
    schedules = schedule_file(settings)
    found = {"data_dir": settings.data_dir.absolute(), **({"schedule_file": schedules} if schedules else {})}
    return {**as_environment(settings), **{variable_name(name): str(path) for name, path in found.items()}}
