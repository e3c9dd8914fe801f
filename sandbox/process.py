"""A sandbox in its own process, for tests and demos."""

import http.client
import json
import select
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

from sandbox.server import LISTENING

START_TIMEOUT = 20.0
STOP_TIMEOUT = 5.0
REQUEST_TIMEOUT = 30.0


def launch(command: list[str]) -> "subprocess.Popen[str]":
    """In its own session: Ctrl-C ends the program that uses the sandbox, which still needs it until its work is finished."""
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)  # noqa: S603 our own


class SandboxProcess:
    """`with SandboxProcess(window=0.05, job_median=0.1) as sandbox: ... sandbox.base_url`.

    Keyword arguments are the command's options (`job_median=0.1` is `--job-median 0.1`); those that are None are left out.
    """

    def __init__(
        self,
        *,
        world: Path | str | None = None,
        faults: Sequence[str] = (),
        latency: tuple[float, float] | None = None,
        **options: float | str | None,
    ) -> None:
        arguments = {"world": world, "latency": f"{latency[0]}:{latency[1]}" if latency else None, **options}
        # -P: a folder `sandbox` in the working directory is not ours.
        self._command = [sys.executable, "-P", "-m", "sandbox", "--exit-with-parent"]
        for name, value in arguments.items():
            if value is not None:
                self._command += [f"--{name.replace('_', '-')}", str(value)]
        for fault in faults:
            self._command += ["--fault", fault]
        self._process: subprocess.Popen[str] | None = None
        self.base_url = ""

    def start(self) -> Self:
        self._process = launch(self._command)
        try:
            self.base_url = _listening_at(self._process)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout:
            process.stdout.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        if self._process is None:
            raise RuntimeError("The sandbox is not running.")
        return self._process.pid

    def about(self) -> dict[str, Any]:
        """Projects, types, item ranges, fields and people of its world."""
        answer: dict[str, Any] = self._ask("GET", "/")
        return answer

    def report(self, *, with_items: bool = False) -> dict[str, Any]:
        answer: dict[str, Any] = self._ask("GET", "/_sandbox/report", query={"items": 1 if with_items else None})
        return answer

    def violations(self) -> dict[str, Any]:
        answer: dict[str, Any] = self._ask("GET", "/_sandbox/violations")
        return answer

    def cells(
        self,
        project: str | None = None,
        item: int | None = None,
        field: str | None = None,
    ) -> list[dict[str, Any]]:
        """The touched cells that match, each with its value and its history."""
        asked = {"project": project, "item": item, "field": field}
        answer: list[dict[str, Any]] = self._ask("GET", "/_sandbox/cells", query=asked)
        return answer

    def history(self) -> list[dict[str, Any]]:
        return self.cells()

    def values(self, project: str | None = None) -> dict[int, dict[str, Any]]:
        """The present value of every changed cell of a project (default: the first one): {item: {field: value}}."""
        answer = self._ask("GET", "/_sandbox/world-values", query={"project": project})
        return {int(item): fields for item, fields in answer.items()}

    def edit(self, item: int, field: str, value: Any, project: str | None = None) -> None:
        """A cell is changed as a person would; `value` in the form of the API. `ValueError` if it cannot hold it."""
        self._ask("POST", "/_sandbox/edit", body={"project": project, "item": item, "field": field, "value": value})

    def set_faults(self, *rules: str | Mapping[str, Any], clear: bool = False) -> None:
        """Add rules, such as "batch_update:drop_after=2x" or {"name": "drop_after", "count": 2}."""
        self._ask("POST", "/_sandbox/faults", body={"faults": [*rules], "clear": clear})

    def set_single_rules(self, **rules: float | str) -> None:
        """Rules of the endpoint for one item, such as `bad_field="drop", limit=5`; those that are not named stay."""
        self._ask("POST", "/_sandbox/singles", body=rules)

    def clear_faults(self) -> None:
        self._ask("DELETE", "/_sandbox/faults")

    def reset(self) -> None:
        """Restore the values of the world file, without history; tokens, fault rules and rules of single updates stay."""
        self._ask("POST", "/_sandbox/reset")

    def _ask(self, method: str, path: str, query: Mapping[str, Any] | None = None, body: Any = None) -> Any:
        asked = urlencode({k: v for k, v in (query or {}).items() if v is not None})
        connection = http.client.HTTPConnection(urlsplit(self.base_url).netloc, timeout=REQUEST_TIMEOUT)
        try:
            connection.request(method, f"{path}?{asked}" if asked else path, json.dumps(body) if body else None)
            response = connection.getresponse()
            answer = json.loads(response.read())
        finally:
            connection.close()
        if response.status != http.client.OK:
            raise ValueError(answer.get("error", f"{method} {path} was answered with {response.status}"))
        return answer


def _listening_at(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None  # noqa: S101 for the type checker: stdout is a pipe
    readable, _, _ = select.select([process.stdout], [], [], START_TIMEOUT)
    line = process.stdout.readline() if readable else ""
    if not line.startswith(LISTENING):
        raise RuntimeError(f"The sandbox did not start within {START_TIMEOUT:g} s; its messages are on stderr.")
    return line.removeprefix(LISTENING).strip()
