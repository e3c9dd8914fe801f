"""docker-compose.yml as Debian's docker-compose reads it, and its services as processes of this machine."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import yaml

from tests.support.deploy_servers import Process
from tests.support.servers import free_port
from tests.support.waiting import PATIENCE, PROCESS_PAUSE, wait_until

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
SECRETS = {
    "REDIS_PASSWORD": "p4ssw0rd",
    "FEISHU_BATCH_DASHBOARD_TOKEN": "t0ken-of-16-and-more",
    "FLOWER_PASSWORD": "fl0wer",
}
PROFILES = ("live", "sandbox", "demo", "monitoring")
# What is fixed in a container and has to be free here.
PORTS = ("6379", "8650", "8651", "8765", "5555")
UNWRITABLE = Path("/proc")  # for everybody, root included


def compose_config(
    directory: Path, env: dict[str, str], *arguments: str, override: str = ""
) -> subprocess.CompletedProcess[str]:
    """With `env` as the file .env beside it, and a file of deploy/compose over it."""
    shutil.copy(ROOT / "docker-compose.yml", directory)
    (directory / ".env").write_text("".join(f"{name}={value}\n" for name, value in env.items()))
    files = ["--file", "docker-compose.yml"]
    if override:
        shutil.copy(ROOT / "deploy/compose" / override, directory)
        files += ["--file", override]
    profiles = [part for name in PROFILES for part in ("--profile", name)]
    command = ["docker-compose", *files, *profiles, "config", *arguments]
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("FEISHU_", "REDIS_", "FLOWER_"))}
    return subprocess.run(
        command, cwd=directory, env=ours, capture_output=True, text=True, timeout=PATIENCE, check=False
    )


def services(directory: Path, env: dict[str, str], override: str = "") -> dict[str, dict[str, Any]]:
    told = compose_config(directory, env, override=override)
    assert told.returncode == 0, told.stderr
    found: dict[str, dict[str, Any]] = yaml.safe_load(told.stdout)["services"]
    return found


class Containers:
    """Starts a service's command as it is written: same arguments, same environment, and nothing of ours.

    Only what a container has for itself is replaced: addresses, ports, its data directory. Working directory and home
    cannot be written to, as with `read_only: true`.
    """

    def __init__(self, directory: Path, written: dict[str, dict[str, Any]]) -> None:
        self._directory = directory
        self._written = written
        self._ports = {port: str(free_port()) for port in PORTS}
        self._processes: dict[str, Process] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes.values():
            process.kill()

    def port(self, inside: str) -> str:
        return self._ports[inside]

    def here(self, text: str, service: str) -> str:
        data = self._directory / service
        data.mkdir(exist_ok=True, mode=0o700)
        for port, free in self._ports.items():
            text = text.replace(port, free)
        for inside, outside in (
            ("@redis:", "@127.0.0.1:"),
            ("/var/lib/feishu-batch", str(data)),
            ("0.0.0.0", "127.0.0.1"),
        ):
            text = text.replace(inside, outside)
        return text.replace("dir /data", f"dir {data}").replace("$$", "$")

    def environment(self, service: str) -> dict[str, str]:
        given = self._written[service].get("environment", {})
        own = {name: self.here(str(value), service) for name, value in given.items()}
        base = {"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(UNWRITABLE), "PYTHONDONTWRITEBYTECODE": "1"}
        return {**base, **own}

    def start(self, service: str) -> None:
        command = [self.here(part, service) for part in self._written[service]["command"]]
        log = self._directory / f"{service}.log"
        self._processes[service] = Process(command, log, env=self.environment(service), cwd=UNWRITABLE, umask=0o022)

    def is_healthy(self, service: str) -> bool:
        return self.health(service).returncode == 0

    def health(self, service: str) -> subprocess.CompletedProcess[str]:
        kind, *command = [self.here(part, service) for part in self._written[service]["healthcheck"]["test"]]
        return self.run(service, *(["sh", "-c", *command] if kind == "CMD-SHELL" else command))

    def run(self, service: str, *argv: str) -> subprocess.CompletedProcess[str]:
        """As `docker compose exec` does."""
        environment = self.environment(service)
        return subprocess.run(
            argv, env=environment, cwd=UNWRITABLE, capture_output=True, text=True, timeout=PATIENCE, check=False
        )

    def wait_healthy(self, *names: str) -> None:
        for name in names:
            try:
                self.await_health(lambda name=name: self._processes[name].has_ended or self.is_healthy(name), "healthy")
                assert not self._processes[name].has_ended
            except (TimeoutError, AssertionError):
                log = (self._directory / f"{name}.log").read_text(errors="replace")[-1500:]
                raise AssertionError(f"{name} is not healthy: {self.health(name).stdout}\n{log}") from None

    def await_health(self, is_so: Callable[[], bool], what: str) -> None:
        wait_until(is_so, 45, what, pause=PROCESS_PAUSE)

    def signal(self, service: str, number: signal.Signals) -> None:
        self._processes[service].signal(number)

    def arguments(self) -> list[str]:
        """What anybody on the machine can see of the processes."""
        found = (Path(f"/proc/{process.pid}/cmdline") for process in self._processes.values())
        return [line.read_text().replace("\0", " ") for line in found]

    def stop(self, service: str, timeout: float) -> int:
        """Its exit code."""
        return self._processes[service].end(timeout)

    def logs(self) -> list[tuple[str, str]]:
        return [(log.name, log.read_text(errors="replace")[-3000:]) for log in sorted(self._directory.glob("*.log"))]
