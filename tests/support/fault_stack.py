"""The end-to-end stack in a world with traps, and with workers that can be made to crash."""

import dataclasses
import json
import os
from pathlib import Path

from config.settings import as_environment
from sandbox.world import DEMO_WORLD
from tests.support.stack import Stack
from tests.support.waiting import PATIENCE, wait_until
from tests.support.zygote import run_command
from worker.processes.child import Child

ROOT = Path(__file__).parents[2]
SHORT_SLOT = 0.08  # seconds
CLOSED = "8c1d2b3c4d5e6f7081928300"  # a space that answers 10404
STRANGER = "7300000000000000009"  # has left: 10302
POISON = {1510: 20014, 1520: 30005, 1530: 20014, 1531: 20014}
USER = "7300000000000000001"
PLUGINS = {"plugin": "secret", "powerless": {"secret": "secret", "lacks_permission": True}}


def write_world(directory: Path) -> Path:
    world = json.loads(DEMO_WORLD.read_text())
    demo = world["projects"][0]
    closed = {**demo, "project_key": CLOSED, "simple_name": "closed", "closed": 10404}
    demo["items"] = [*demo["items"], *({"id": item, "poison": code} for item, code in POISON.items())]
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "world.json"
    path.write_text(json.dumps({**world, "plugins": PLUGINS, "projects": [*world["projects"], closed]}))
    return path


class FaultStack(Stack):
    """Its workers run `crash_app`, which breaks where an intent's note or value asks for it."""

    def __init__(self, directory: Path, *, sandbox=None, **settings):
        sandbox = {"world": write_world(directory), "window": SHORT_SLOT, **(sandbox or {})}
        super().__init__(directory, sandbox=sandbox, **{"slot_seconds": SHORT_SLOT, **settings})

    def _spawn(self, name: str, child: Child) -> None:
        argv = tuple("tests.support.crash_app" if part == "worker.app" else part for part in child.argv)
        path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        super()._spawn(name, dataclasses.replace(child, argv=argv, env={**child.env, "PYTHONPATH": path}))

    def tidy(self) -> None:
        self.sandbox.clear_faults()
        self.lane.resume()
        self.supervise_until(self.is_idle, 20, f"nothing is left to do; {self.lane.counts()}")
        learned = [
            self.lane.keys.named("suspects"),
            self.lane.keys.named("accepted"),
            *self.redis.keys(f"{self.lane.prefix}refused:*"),
        ]
        self.redis.delete(*learned)
        self.sandbox.reset()

    def answers(self) -> dict[str, int]:
        return self.sandbox.report()["answers"]

    def supervise_until(self, is_so, timeout: float, what: str):
        """Starts again what died meanwhile, as `up` does."""

        def looked_after():
            self.revive()
            return is_so()

        return wait_until(looked_after, timeout, what)

    def status(self) -> dict:
        """What `feishu-batch status --json` says of the lane."""
        env = {**os.environ, **as_environment(self.settings)}
        done = run_command("status", "--json", env=env, timeout=PATIENCE)
        done.check_returncode()
        return json.loads(done.stdout)["lanes"][0]
