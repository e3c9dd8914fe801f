"""Backup and restore, by the commands of the page: nothing old goes over what came later."""

import json
import signal
import time
from pathlib import Path

import pytest

from feishu_batch import FeishuBatch
from sandbox.process import SandboxProcess
from tests.docs.pages import block_with, text
from tests.docs.shell import clean_environment, run
from tests.support.waiting import PATIENCE, PROCESS_PAUSE, wait_until
from tests.support.zygote import start_command

PAGE = "docs/deployment.md"
SPACE, FIELD = "5f0c1a2b3c4d5e6f70818283", "field_a1b2c3"
SHOWN_ID = "0b6f1f6e-7e3f-4c36-9c0a-1f9f0d6a3a11"
UNTIL_READY = 60.0
pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def sandbox():
    with SandboxProcess(window=0.1, job_median=2.0, seed=1) as sandbox:
        yield sandbox


class Place:
    """A directory in which a reader works: the commands find `.feishu-batch` there, or what the page has them export."""

    def __init__(self, directory, sandbox):
        self.directory = directory
        self.environ = clean_environment() | {
            "FEISHU_BATCH_BASE_URL": sandbox.base_url,
            "FEISHU_BATCH_PLUGIN_ID": "plugin",
            "FEISHU_BATCH_PLUGIN_SECRET": "secret",
            "FEISHU_BATCH_USER_KEY": "7300000000000000001",
            "FEISHU_BATCH_SLOT_SECONDS": "0.1",
            "FEISHU_BATCH_DASHBOARD_PORT": "0",
            "FEISHU_BATCH_GRACE_SECONDS": "3",
            "FEISHU_BATCH_LEASE_SECONDS": "3",
            "FEISHU_BATCH_HEARTBEAT_SECONDS": "1",
            "FEISHU_BATCH_READ_BACK_SECONDS": "1",
            "FEISHU_BATCH_NOT_EXIST_SECONDS": "1",
        }
        self._ups = []
        self._clients = {}

    def __call__(self, command, code=0):
        done = run(command, cwd=self.directory, env=self.environ)
        assert done.returncode == code, (command, done.stdout, done.stderr)
        return done.stdout.strip()

    @property
    def client(self):
        data_dir = self.environ.get("FEISHU_BATCH_DATA_DIR", self.directory / ".feishu-batch")
        url = (Path(data_dir) / "redis-url").read_text().strip()
        if url not in self._clients:
            self._clients[url] = FeishuBatch(url, timeout=5)
        return self._clients[url]

    def enqueue(self, item, value):
        change = {"work_item_ids": [item], "field_key": FIELD, "update_mode": "UPDATE", "after_field_value": value}
        return self.client.enqueue(project_key=SPACE, work_item_type_key="story", **change).intent_id

    def state(self, intent):
        return self.client.handle(intent).view().state

    def ended(self, intent):
        wait_until(lambda: self.state(intent) == "succeeded", 30, f"{intent} has succeeded")

    def status(self):
        return json.loads(self("feishu-batch status --intents --json"))

    def up(self, command="feishu-batch up"):
        log = self.directory / f"up-{len(self._ups)}.log"
        with log.open("wb") as output:
            self._ups.append(start_command(command.split()[1:], cwd=self.directory, env=self.environ, output=output))
        wait_until(lambda: "Ready." in log.read_text() or self._ups[-1].poll() is not None, UNTIL_READY, "up is ready")
        assert self._ups[-1].poll() is None, log.read_text()

    def down(self, number=signal.SIGTERM):
        up = self._ups[-1]
        up.send_signal(number)
        up.wait(PATIENCE)

    def kill_all(self):
        for client in self._clients.values():
            client.close()
        for up in self._ups:
            if up.poll() is None:
                up.send_signal(signal.SIGTERM)
                up.wait(PATIENCE)


@pytest.fixture
def place(tmp_path, sandbox):
    place = Place(tmp_path, sandbox)
    yield place
    place.kill_all()


def stored(sandbox, item):
    return sandbox.values(SPACE)[item][FIELD]


def section():
    page = text(PAGE)
    return page[page.index("## Backup and restore") : page.index("## What one machine needs")]


def test_a_backup_is_restored_as_the_page_says_and_nothing_old_goes_over_what_came_later(place, sandbox):
    backup, restore, look = (block_with(PAGE, "sh", mark) for mark in ("until cmp", "up --paused", "status --intents"))
    assert all(block in section() for block in (backup, restore, look))
    place.up()
    place.ended(place.enqueue(1201, "before"))
    place("feishu-batch pause")
    waits = place.enqueue(1202, "old 1")
    place("feishu-batch resume")
    sent = place.enqueue(1203, "old 2")  # its job is open when the copy is made
    wait_until(lambda: sandbox.report()["answers"].get("batch_update:0", 0) > 2, 20, "a job is open")
    place("feishu-batch pause")
    also_waits = place.enqueue(1204, "old 3")
    place(backup)
    place("feishu-batch resume")
    for intent in (waits, sent, also_waits):
        place.ended(intent)
    for item in (1202, 1203, 1204):
        place.ended(place.enqueue(item, "new"))
    place.down()
    sandbox.set_faults("task_result:not_exist=1.0")  # the job has been forgotten, and cannot prove that it ended
    before = len(sandbox.report()["batches"])

    *commands, start = restore.strip().splitlines()
    exported = [line for line in commands if line.startswith("export ")]
    place("\n".join(line for line in commands if line not in exported))
    place.environ["FEISHU_BATCH_DATA_DIR"] = place("\n".join([*exported, 'echo "$FEISHU_BATCH_DATA_DIR"']))
    place.up(start)
    time.sleep(3)
    assert len(sandbox.report()["batches"]) == before, "something was sent"
    listed = {one["intent_id"] for one in place.status()["intents"]}
    assert {also_waits} <= listed <= {waits, sent, also_waits}
    for command in look.strip().splitlines():
        if SHOWN_ID in command:
            place(command.replace(SHOWN_ID, " ".join(sorted(listed))) + " --yes")
        else:
            place(command)
    wait_until(lambda: not place.status()["intents"], 60, "nothing of the restored work is left", pause=PROCESS_PAUSE)
    sandbox.clear_faults()
    place.ended(place.enqueue(1205, "after"))
    assert [stored(sandbox, item) for item in (1202, 1203, 1204)] == ["new"] * 3


def test_pause_and_resume_work_on_an_embedded_ledger_that_is_down(place, sandbox):
    assert "no embedded server" in run("feishu-batch pause", cwd=place.directory, env=place.environ).stderr
    place.up("feishu-batch up --paused")
    waits = place.enqueue(1201, "x")
    time.sleep(1)
    assert place.state(waits) in {"queued", "open"}
    place.down()
    assert "lane default continues" in place("feishu-batch resume")
    assert "is paused" in place('feishu-batch pause --reason "not yet"')
    place.up()
    assert place.status()["lanes"][0]["paused"]["reason"] == "not yet"
    assert place.state(waits) in {"queued", "open"}
    place.down()
    place("feishu-batch resume")
    place.up()
    place.ended(waits)
