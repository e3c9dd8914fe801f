"""A file in which each process records its state, for health checks on the same machine (probe.py)."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from worker.operating.embedded_files import make_private, write_private
from worker.processes.probe import file_of


@dataclass(frozen=True, slots=True)
class Beacon:
    """`trouble`: the problems in its part of the ledger, one sentence each."""

    at: float  # time of writing, by the machine's monotonic clock
    every: float  # seconds until the next one is due
    trouble: list[str]
    stalled_for: float = 0.0  # seconds for which messages have waited while no task started or ended
    broker_gone_for: float = 0.0  # seconds since the broker last answered
    patience: float = 1.0  # seconds of stalling after which the process ends itself


def beacon_file(data_dir: Path, role: str) -> Path:
    return Path(file_of(str(data_dir.absolute()), role))


def light(file: Path, beacon: Beacon) -> None:
    """Raises OSError if the directory is not writable."""
    make_private(file.parent)
    write_private(file, json.dumps(asdict(beacon)))
