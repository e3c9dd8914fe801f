"""The page as a process of its own, over any ledger."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.support.stack import Stack
from tests.support.waiting import PATIENCE
from tests.support.zygote import CAN_FORK, Forked, open_command

SECRET = "a-secret-of-the-plugin-in-the-tests"
PICTURES = Path(os.environ["PICTURES"]).absolute() if "PICTURES" in os.environ else None
ADDRESS = re.compile(r"http://(?:\S+):(\d+)")


@dataclass
class Served:
    url: str
    process: subprocess.Popen[str] | Forked

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def client(self, **options) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=15, trust_env=False, **options)

    def post(self, path: str, content: object = None, **headers: str) -> httpx.Response:
        """As the page itself asks."""
        with self.client() as client:
            csrf = client.get("/api/session").json()["csrf"]
            return client.post(path, json=content or {}, headers={"X-CSRF-Token": csrf, **headers})

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


def without_ours() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("FEISHU_BATCH_", "CELERY_"))}


@contextmanager
def serving(
    redis_url: str, prefix: str, cwd: Path, *, port: int = 0, is_forked: bool = CAN_FORK, **settings: str
) -> Iterator[Served]:
    env = {**without_ours(), "FEISHU_BATCH_REDIS_URL": redis_url, "FEISHU_BATCH_KEY_PREFIX": prefix}
    env |= {f"FEISHU_BATCH_{name.upper()}": value for name, value in settings.items()}
    process = open_command("dashboard", "--port", port, env=env, cwd=cwd, is_forked=is_forked)
    try:
        line = process.stdout.readline()
        found = ADDRESS.search(line)
        assert found, f"it did not start: {line!r}"
        yield Served(f"http://127.0.0.1:{found[1]}", process)
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def page_of(stack: Stack, cwd: Path, *, port: int = 0, is_forked: bool = CAN_FORK, **settings: str):
    """A page over the stack's ledger."""
    usual = {"slot_seconds": str(stack.settings.slot_seconds), "sweep_seconds": "0.3"}
    given = {**usual, **settings}
    return serving(stack.server.url, stack.settings.key_prefix, cwd, port=port, is_forked=is_forked, **given)
