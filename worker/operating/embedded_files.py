"""The files of the embedded server: whose they are, the URL that is remembered in them, and whether a server answers there."""

import fcntl
import os
import secrets
import socket
import time
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

# The previous server may still be writing its last bytes.
LOCK_SECONDS: Final = 2.0
ANSWER_SECONDS: Final = 1.0


class EmbeddedServerError(Exception):
    """The embedded server cannot run; the message says why and what to do."""


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
                f"An embedded server is already running with its files in {data_dir} (started by process {owner or 'unknown'}). "
                "Use it, stop it, or choose another directory with FEISHU_BATCH_DATA_DIR."
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
    """Password and port of the last start, so that a copied URL stays valid; new ones at the first start."""
    try:
        parts = urlsplit(url_file(data_dir).read_text().strip())
        return parts.password or secrets.token_urlsafe(32), parts.port or 0
    except (FileNotFoundError, ValueError):
        return secrets.token_urlsafe(32), 0


def make_private(directory: Path) -> None:
    """Restricts only directories that it creates: DATA_DIR may be an existing directory of the user."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)


def write_private(file: Path, text: str) -> None:
    """Written atomically, and never readable by other users."""
    new = file.with_name(file.name + ".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(text)
    new.replace(file)


def find_embedded_url(data_dir: Path) -> str | None:
    """The URL of the server that runs with its files in `data_dir`, or None. The server is contacted, so it is really running."""
    try:
        url = url_file(data_dir).read_text().strip()
    except (FileNotFoundError, NotADirectoryError):
        return None
    # Without the lock, our server is not running: another program may listen there, and must not get the password.
    return url if is_locked(data_dir) and answers(url) else None


def answers(url: str) -> bool:
    """Whether the server at the URL accepts the password and answers PONG (and not, for example, LOADING)."""
    parts = urlsplit(url)
    try:
        with socket.create_connection((parts.hostname, parts.port), ANSWER_SECONDS) as connection:
            connection.sendall(f"AUTH {parts.password}\r\nPING\r\n".encode())
            answer = b""
            while answer.count(b"\r\n") < 2 and (part := connection.recv(256)):  # noqa: PLR2004 - two commands
                answer += part
    except OSError:
        return False
    return answer == b"+OK\r\n+PONG\r\n"
