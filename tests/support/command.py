"""The command in this process, against an own corner of a real server; and a ledger that a test drives by hand."""

import json
import os
import threading
from collections.abc import Collection
from dataclasses import dataclass

import pytest
from click.testing import CliRunner, Result
from redis import Redis

from tests.support.waiting import wait_until
from worker.cli.main import cli
from worker.ledger.inbox import Inbox
from worker.ledger.lane import Lane
from worker.ledger.records import SUCCEEDED, Batch, BatchState, InboxEntry, Look, Outcome
from worker.pipeline.intake import Intake
from worker.pipeline.intake_refusals import IntakeLane

PROJECT = "5f0c1a2b3c4d5e6f70818283"
USER = "7300000000000000001"


class NoHints:
    """Nobody has to be woken."""

    def __getattr__(self, _name):
        return lambda *_args, **_kwargs: None


class Ledger:
    """Does by hand what the workers do."""

    def __init__(self, redis: Redis, prefix: str) -> None:
        self.inbox, self.lane = Inbox(redis, prefix), Lane(redis, prefix, "default")
        doors = {"default": IntakeLane(self.lane, NoHints())}
        self._intake = Intake(
            inbox=self.inbox, hints=NoHints(), route=lambda _lane, _project: "default", lanes=doors, lease=30
        )
        self._redis = redis

    def in_inbox(self) -> list[InboxEntry]:
        entries = self._redis.xrange(self.inbox.keys.inbox)
        return [InboxEntry(int(at.partition("-")[0]), int(one["t"]), one["i"], at) for at, one in entries]

    def take_in(self) -> None:
        self._intake.drain(longest=60)  # to the end, however busy the machine is

    def claim(self) -> Batch:
        batch = self.lane.claim(owner="test", lease=30, max_open=99, max_wait=99, idem_uuid="u", token_fingerprint="t")
        assert isinstance(batch, Batch), batch
        return batch

    def accept(self, batch: Batch) -> Batch:
        self.lane.advance(
            batch, state=BatchState.SENDING, settled={}, then=BatchState.OPEN, fields={"task": "JOB-1"}, left=True
        )
        return batch

    def do_all_when_it_comes(self, failed=None) -> threading.Thread:
        """Beside a command that enqueues and then waits: started, to be joined."""

        def work() -> None:
            wait_until(self.in_inbox, 30, "something is in the inbox")
            self.do_all(failed)

        worker = threading.Thread(target=work)
        worker.start()
        return worker

    def settle(self, batch: Batch, failed=None) -> None:
        outcomes = {item: Outcome.failed(code, f"the remote said {code}") for item, code in (failed or {}).items()}
        settled = {item: outcomes.get(item, SUCCEEDED) for item in batch.items}
        self.lane.advance(
            batch, state=BatchState.SENDING, settled=batch.by_cell(settled), then=BatchState.RESEND, left=True
        )

    def look_at_all(self, unchanged: Collection[int] = ()) -> None:
        """`unchanged`: items whose cells hold their value."""
        while isinstance(look := self.lane.claim_look(hold=60, most_items=50, most_claims=3), Look):
            self.lane.end_look(look, [part.cell for part in look.parts if part.cell.item in unchanged])

    def do_all(self, failed=None) -> None:
        self.take_in()
        self.look_at_all()
        while self.lane.counts().ready_groups:
            batch = self.claim()
            self.settle(batch, {item: code for item, code in (failed or {}).items() if item in batch.items})


@pytest.fixture
def ledger(redis, prefix) -> Ledger:
    return Ledger(redis, prefix)


@dataclass
class Command:
    env: dict[str, str | None]

    def __call__(self, *args: object, input: str | bytes | None = None) -> Result:  # noqa: A002 - click's own name
        return CliRunner(env=self.env).invoke(cli, [str(arg) for arg in args], input=input, catch_exceptions=False)

    def json(self, *args: object) -> dict:
        result = self(*args, "--json")
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    def enqueue(
        self, *items: int, field="priority", project_key=PROJECT, after='{"value": "option_1"}', **options: str
    ) -> str:
        args = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
        args += [f"--item={item}" for item in items]
        space = ("--project-key", project_key)
        result = self("enqueue", *space, "--type", "story", "--field", field, "--after", after, *args)
        assert result.exit_code == 0, result.output
        return result.stdout.strip()


@pytest.fixture
def nothing_set(monkeypatch, tmp_path):
    """No setting in the environment, and no .env in the working directory."""
    for name in [name for name in os.environ if name.startswith("FEISHU_BATCH_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def command(redis_url, prefix, nothing_set) -> Command:
    return Command({"FEISHU_BATCH_REDIS_URL": redis_url, "FEISHU_BATCH_KEY_PREFIX": prefix})
