"""Prometheus's own programs, from Debian's package."""

import json
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.support.waiting import PATIENCE


def promtool(*arguments: str | Path, given: str = "") -> str:
    """What it says; it has to find nothing wrong."""
    done = subprocess.run(
        ["promtool", *map(str, arguments)], input=given, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@dataclass(frozen=True)
class Prometheus:
    port: int

    def asked(self, path: str, **parameters: str) -> Any:
        """`data` of the answer; what it refuses is an AssertionError with its reason."""
        url = f"http://127.0.0.1:{self.port}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()) from None

    def series(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Labels and value of each, now."""
        found = self.asked("query", query=expression)["result"]
        return [(one["metric"], float(one["value"][1])) for one in found]

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/-/ready", timeout=1) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


@contextmanager
def prometheus(folder: Path, target: str, rules: Path, every: str) -> Iterator[Prometheus]:
    """A server that scrapes the target, on a free port."""
    job = {"job_name": "feishu-batch", "static_configs": [{"targets": [target]}]}
    timing = {"scrape_interval": every, "evaluation_interval": every}
    config = folder / "prometheus.yml"
    config.write_text(yaml.safe_dump({"global": timing, "scrape_configs": [job], "rule_files": [str(rules)]}))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    storage = f"--storage.tsdb.path={folder / 'data'}"
    command = ["prometheus", f"--config.file={config}", storage, f"--web.listen-address=127.0.0.1:{port}"]
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            server, deadline = Prometheus(port), time.monotonic() + PATIENCE
            while not server.is_ready():
                assert process.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < deadline, (folder / "log").read_text()
                time.sleep(0.1)
            yield server
        finally:
            process.terminate()
            process.wait(PATIENCE)
