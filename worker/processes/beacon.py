"""What a process of ours writes down about itself, in a file, for a health check on the same machine to judge it by (probe.py)."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from worker.processes.embedded_files import make_private, write_private
from worker.processes.probe import file_of

# Whoever consumes a queue has its role. An intake worker's other queue needs no name of its own.
ROLE_OF_QUEUE: Final = {"feishu.submit": "submit", "feishu.poll": "poll", "feishu.intents": "intake"}


@dataclass(frozen=True, slots=True)
class Beacon:
    """`trouble`: what is wrong with its part of the ledger, a sentence each."""

    at: float  # by the machine's steady clock, when it was written
    every: float  # seconds until the next one is due
    trouble: list[str]
    stalled_for: float = 0.0  # seconds for which messages have waited and nothing was begun or ended
    broker_gone_for: float = 0.0  # seconds since the broker last answered
    patience: float = 1.0  # seconds of stalling after which the process ends itself


def beacon_file(data_dir: Path, role: str) -> Path:
    return Path(file_of(str(data_dir.absolute()), role))


def light(file: Path, beacon: Beacon) -> None:
    """Raises OSError where the directory cannot be written."""
    make_private(file.parent)
    write_private(file, json.dumps(asdict(beacon)))
