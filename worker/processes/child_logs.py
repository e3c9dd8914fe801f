"""Log files of children, with a cap on their size. The children write them directly: no reader that could block them."""

import os
import shutil
from pathlib import Path
from typing import IO, Final

LARGEST: Final = 10 * 1024 * 1024


def open_log(log_dir: Path, name: str) -> IO[bytes]:
    log_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    # "append": after the file was truncated, the child continues at its start.
    return open(log_dir / f"{name}.log", "ab", buffering=0, opener=_private)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def cap_size(log_dir: Path, largest: int = LARGEST) -> None:
    """A log that has grown too large is moved to <name>.log.1, replacing the previous one. Lines written meanwhile may be lost."""
    for log in log_dir.glob("*.log"):
        if log.stat().st_size > largest:
            kept = log.with_name(log.name + ".1")
            kept.touch(mode=0o600)
            shutil.copyfile(log, kept)
            with log.open("r+b") as stream:
                stream.truncate(0)
