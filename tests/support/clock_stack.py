"""The stack with clocks that a test can set: the server's and the workers'. It takes a C compiler (settable_clock.c)."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.servers import Server
from tests.support.stack import Stack
from worker.processes.child import Child

SOURCE = Path(__file__).with_name("settable_clock.c")
WHOSE = ("server", "workers")


class SettableClocks:
    """Wall clocks. Steady ones go on as they do on a real machine."""

    def __init__(self, directory: Path) -> None:
        if not shutil.which("cc"):
            pytest.skip("there is no C compiler (cc): no clock can be set")
        self._library = directory / "settable_clock.so"
        subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", self._library, SOURCE], check=True)
        self._files = {whose: directory / f"{whose}.clock" for whose in WHOSE}
        self._ahead = dict.fromkeys(WHOSE, 0)  # seconds
        for file in self._files.values():
            file.write_bytes(bytes(8))

    def step(self, seconds: int, *whose: str) -> None:
        """Set clocks forward, or back: in the same moment for whoever goes by them."""
        for one in whose or WHOSE:
            self._ahead[one] += seconds
            with self._files[one].open("r+b") as file:
                file.write(self._ahead[one].to_bytes(8, "little", signed=True))

    def environment(self, whose: str) -> dict[str, str]:
        return {"LD_PRELOAD": str(self._library), "SETTABLE_CLOCK": str(self._files[whose])}


class ServerWithClock(Server):
    def __init__(self, directory: Path, clocks: SettableClocks) -> None:
        super().__init__(directory)
        self.environment = {**os.environ, **clocks.environment("server")}


class ClockStack(Stack):
    is_forked = False  # the library is loaded when a program starts

    def __init__(self, directory: Path, **options: Any) -> None:
        super().__init__(directory, **options)
        self.clocks = SettableClocks(directory)
        self.server = ServerWithClock(directory, self.clocks)

    def _spawn(self, name: str, child: Child) -> None:
        env = {**child.env, **self.clocks.environment("workers")}
        super()._spawn(name, Child(child.name, child.argv, env, child.cwd))
