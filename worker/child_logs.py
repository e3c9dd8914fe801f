"""Log files of children, with a cap on their size. The children write them directly: no reader that could block them."""

import shutil
from pathlib import Path
from typing import IO, Final

LARGEST: Final = 10 * 1024 * 1024


def open_log(log_dir: Path, name: str) -> IO[bytes]:
    log_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    # "append": after the file was cut to nothing, the child goes on at its beginning.
    return (log_dir / f"{name}.log").open("ab", buffering=0)


def cap_size(log_dir: Path, largest: int = LARGEST) -> None:
    """A log that has grown too large becomes <name>.log.1, in place of the one before. Lines written meanwhile may be lost."""
    for log in log_dir.glob("*.log"):
        if log.stat().st_size > largest:
            shutil.copyfile(log, log.with_name(log.name + ".1"))
            with log.open("r+b") as stream:
                stream.truncate(0)
