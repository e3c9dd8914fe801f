"""What a worker process tells of itself in a file, for a health check on the same machine to judge it by.

The file is DATA_DIR/health/<role>@<host>.json: one per role and machine, or container, that shares the directory.
"""

import json
import socket
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from worker.processes.embedded_files import make_private, write_private

# Whoever consumes a queue has its role. An intake worker's other queue needs no name of its own.
ROLE_OF_QUEUE: Final = {"feishu.submit": "submit", "feishu.poll": "poll", "feishu.intents": "intake"}


@dataclass(frozen=True, slots=True)
class Beacon:
    at: float  # unix seconds when it was written
    every: float  # seconds until the next one is due
    stalled_for: float  # seconds for which messages have waited and nothing was begun or ended
    broker_gone_for: float  # seconds since the broker last answered
    patience: float  # seconds of stalling after which the worker ends itself

    @property
    def age(self) -> float:
        return time.time() - self.at


def beacon_file(data_dir: Path, role: str) -> Path:
    return data_dir.absolute() / "health" / f"{role}@{socket.gethostname()}.json"


def light(file: Path, beacon: Beacon) -> None:
    """Raises OSError where the directory cannot be written."""
    make_private(file.parent)
    write_private(file, json.dumps(asdict(beacon)))


def read_beacon(file: Path) -> Beacon | None:
    """None where there is none, or one of another version."""
    try:
        return Beacon(**json.loads(file.read_text()))
    except (OSError, ValueError, TypeError):
        return None
