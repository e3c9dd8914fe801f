"""A documented web app, pasted into an empty directory and served by the server of its own framework."""

import contextlib
import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.servers import free_port
from tests.support.waiting import PATIENCE, wait_until

STARTS_WITHIN = 30.0
NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Site:
    url: str
    log: Path

    def get(self, path: str) -> tuple[int, Any]:
        return self._ask(urllib.request.Request(f"{self.url}{path}"))

    def post(self, path: str, content: object = None) -> tuple[int, Any]:
        """Status and JSON of the answer; the text, where it is none."""
        headers = {"Content-Type": "application/json"}
        return self._ask(urllib.request.Request(f"{self.url}{path}", json.dumps(content).encode(), headers))

    def is_up(self) -> bool:
        with contextlib.suppress(OSError):
            return bool(self.get("/")[0])
        return False

    def _ask(self, request: urllib.request.Request) -> tuple[int, Any]:
        try:
            answer = NO_PROXY.open(request, timeout=20)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            text = answer.read().decode()
            return answer.status, json.loads(text) if text.startswith(("{", "[")) else text


@contextlib.contextmanager
def serving(arguments: str, directory: Path, environ: Mapping[str, str]) -> Iterator[Site]:
    """`arguments` of Python, with PORT for a free port."""
    port = str(free_port())
    site = Site(f"http://127.0.0.1:{port}", directory / f"site-{port}.log")
    argv = [sys.executable, *arguments.replace("PORT", port).split()]
    with site.log.open("wb") as output:
        server = subprocess.Popen(argv, cwd=directory, env=environ, stdout=output, stderr=output)
    try:
        wait_until(lambda: site.is_up() or server.poll() is not None, STARTS_WITHIN, "the site answers")
        assert server.poll() is None, site.log.read_text()
        yield site
    finally:
        server.terminate()
        server.wait(PATIENCE)
