"""The files of the embedded server: whose they are, and the URL that is remembered in them."""

import fcntl
import os
import secrets
import time
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

# The previous owner's server may still be writing its last bytes.
LOCK_SECONDS: Final = 2.0


class EmbeddedServerError(Exception):
    """The embedded server cannot run; the text says why and what to do."""


def url_file(data_dir: Path) -> Path:
    return data_dir / "redis-url"


def _lock_file(data_dir: Path) -> Path:
    return data_dir / "embedded.lock"


def take_lock(data_dir: Path) -> int:
    """An open file that holds the lock until it is closed, in this process and in those that inherit it."""
    descriptor = os.open(_lock_file(data_dir), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + LOCK_SECONDS
    while not _locks(descriptor, fcntl.LOCK_EX):
        if time.monotonic() > deadline:
            owner = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
            os.close(descriptor)
            raise EmbeddedServerError(
                f"An embedded server already runs with its files in {data_dir} (started by process {owner or 'unknown'}). "
                "Use that one, end it, or choose another directory with FEISHU_BATCH_DATA_DIR."
            )
        time.sleep(0.05)
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor


def is_locked(data_dir: Path) -> bool:
    try:
        descriptor = os.open(_lock_file(data_dir), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not _locks(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def _locks(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def remembered(data_dir: Path) -> tuple[str, int]:
    """Password and port of the last start, so that a URL that somebody noted stays good; new ones the first time."""
    try:
        parts = urlsplit(url_file(data_dir).read_text().strip())
        return parts.password or secrets.token_urlsafe(32), parts.port or 0
    except (FileNotFoundError, ValueError):
        return secrets.token_urlsafe(32), 0


def make_private(directory: Path) -> None:
    """Only what is created here is made private: DATA_DIR may be a directory of the user's own."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)


def write_private(file: Path, text: str) -> None:
    """Whole or not at all, and never readable by others, not even for a moment."""
    new = file.with_name(file.name + ".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(text)
    new.replace(file)
