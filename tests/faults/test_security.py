"""`up` for real, with its own server, everything logged: no secret where anybody but the owner could read it."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from celery import Celery
from redis import Redis

from config.lanes import LaneConfig
from config.settings import Settings
from feishu_batch import FeishuBatch
from sandbox.process import SandboxProcess
from sandbox.server import parse_options
from tests.support.model import intent
from tests.support.waiting import PATIENCE, wait_until
from tests.support.zygote import run_command

ROOT = Path(__file__).parents[2]
SECRET = "plugin-secret-Zq81"
CLI = [sys.executable, "-m", "worker.cli.main"]


class Up:
    """`feishu-batch up` with an embedded server, and everything that it said."""

    def __init__(self, directory, sandbox):
        self.data_dir = directory / "data"
        self.output = directory / "output.txt"
        own = {name: value for name, value in os.environ.items() if not name.startswith("FEISHU_BATCH_")}
        settings = {
            "BASE_URL": sandbox.base_url,
            "PLUGIN_ID": "plugin",
            "PLUGIN_SECRET": SECRET,
            "USER_KEY": "7300000000000000001",
            "DATA_DIR": str(self.data_dir),
            "LOG_LEVEL": "DEBUG",
            "SLOT_SECONDS": "0.1",
            "VERIFY": "all",
            "HEARTBEAT_SECONDS": "0.3",
            "LEASE_SECONDS": "1",
            "GRACE_SECONDS": "1",
        }
        self.env = own | {"PYTHONPATH": str(ROOT)} | {f"FEISHU_BATCH_{key}": value for key, value in settings.items()}
        directory.mkdir(exist_ok=True)
        with self.output.open("wb") as output:
            self.process = subprocess.Popen([*CLI, "up"], env=self.env, cwd=directory, stdout=output, stderr=output)
        wait_until(lambda: "Ready." in self.output.read_text(), 40, "up is ready")
        self.url = (self.data_dir / "redis-url").read_text().strip()
        self.password = urlsplit(self.url).password

    def command(self, *arguments):
        done = run_command(*arguments, env=self.env, timeout=PATIENCE)
        return done.stdout + done.stderr

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE)


def family(pid):
    """The process and all that descend from it."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(member for child in children for member in family(int(child)))]


class Flower(threading.Thread):
    """Sees every event of the workers and their tasks, as Flower does."""

    def __init__(self, url):
        super().__init__(daemon=True)
        self.events = []
        self._app = Celery("flower", broker=url, set_as_current=False)
        self._connection = self._app.connection_for_read()
        self._receiver = self._app.events.Receiver(self._connection, handlers={"*": self.events.append})

    def run(self):
        with self._connection:
            self._receiver.capture(limit=None, timeout=None, wakeup=True)

    def has_seen(self, kind):
        return any(event["type"] == kind for event in self.events)

    def end(self):
        self._receiver.should_stop = True
        self.join(10)


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """What could be seen of a run in which things also went wrong."""
    with SandboxProcess(window=0.1, job_median=0.1, faults=["batch_update:drop_after=1x", "token_loss=1x"]) as sandbox:
        up = Up(tmp_path_factory.mktemp("up"), sandbox)
        try:
            seen = look(up)
        finally:
            up.stop()
    return up, {**seen, "output": up.output.read_text()}


def look(up):
    flower = Flower(up.url)
    flower.start()
    wait_until(lambda: flower.has_seen("worker-heartbeat"), 30, "the workers are seen")
    with FeishuBatch(up.url, timeout=5) as client, Redis.from_url(up.url, decode_responses=True) as redis:
        good, bad = client.enqueue_many([intent([1301, 1302]), intent([1303], field_key="field_nowhere")])
        good.wait(PATIENCE)
        bad.wait(PATIENCE)
        wait_until(lambda: flower.has_seen("task-succeeded"), 30, "tasks are seen")
        commands = [
            up.command(*words) for words in (["status"], ["status", "--json"], ["failures"], ["show", bad.intent_id])
        ]
        flower.end()
        arguments = [Path(f"/proc/{pid}/cmdline").read_bytes().decode() for pid in family(up.process.pid)]
        return {
            "events": json.dumps(flower.events, default=str),
            "commands": "\n".join(commands),
            "arguments": "\n".join(arguments),
            "ledger": dump(redis, "*"),
            "tokens": dump(redis, "*token*"),
            "listens": redis.config_get("bind")["bind"],
        }


def dump(redis, pattern):
    readers = {
        "string": redis.get,
        "hash": redis.hgetall,
        "stream": redis.xrange,
        "list": lambda key: redis.lrange(key, 0, -1),
        "set": redis.smembers,
        "zset": lambda key: redis.zrange(key, 0, -1),
    }
    return {key: str(readers[redis.type(key)](key)) for key in redis.keys(pattern) if redis.type(key) in readers}


@pytest.mark.parametrize("where", ["output", "events", "commands", "arguments"])
def test_no_secret_is_in(ran, where):
    up, seen = ran
    [token] = {json.loads(value)["value"] for value in seen["tokens"].values()}
    assert len(seen[where]) > 200
    for secret in (SECRET, up.password, token):
        assert secret not in seen[where]


def test_the_ledger_holds_the_token_in_its_own_place_and_no_other_secret(ran):
    up, seen = ran
    [token] = {json.loads(value)["value"] for value in seen["tokens"].values()}
    holding = {key for key, value in seen["ledger"].items() if token in value}
    assert holding == set(seen["tokens"])
    everything = json.dumps(seen["ledger"])
    assert SECRET not in everything
    assert up.password not in everything


def test_files_of_the_data_directory_are_the_owners_only(ran):
    up, _ = ran
    assert up.data_dir.stat().st_mode & 0o777 == 0o700
    files = [path for path in up.data_dir.rglob("*") if not path.is_symlink()]
    assert len(files) > 5
    assert {path.name for path in files if path.stat().st_mode & 0o077} == set()


def test_the_embedded_server_and_the_sandbox_listen_on_this_machine_only(ran):
    up, seen = ran
    assert seen["listens"] == "127.0.0.1"
    assert len(up.password) >= 32
    assert parse_options([]).host == "127.0.0.1"


def test_settings_and_lanes_show_no_secret():
    url = "redis://user:redis-password-1@localhost/0"
    settings = Settings(plugin_secret=SECRET, redis_url=url, broker_url=url, result_backend=url)
    lane = LaneConfig(name="a", base_url="https://x.example", plugin_id="p", plugin_secret=SECRET, user_key="u")
    client = FeishuBatch(url)
    for shown in (repr(settings), str(settings), settings.model_dump_json(), repr(lane), str(lane), repr(client)):
        assert SECRET not in shown
        assert "redis-password-1" not in shown
