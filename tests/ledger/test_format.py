"""A ledger of another version's format: every entry point refuses it in one sentence and touches nothing."""

import os
from itertools import takewhile

import pytest
from redis import Redis

from config.settings import load_settings
from feishu_batch import FeishuBatch, LedgerFormatError
from feishu_batch.intents import parse_intent
from feishu_batch.keys import InboxKeys
from feishu_batch.ledger_format import FORMAT
from feishu_batch.packing import PackedIntent
from feishu_batch.redis_connections import ElsewhereError
from tests.support.command import command, ledger, nothing_set
from tests.support.waiting import PATIENCE
from tests.support.zygote import run_command
from worker.cli.main import _COMMANDS
from worker.connections import OtherFormatError, connect
from worker.ledger.inbox import Inbox
from worker.processes.embedded import EmbeddedServer

__all__ = ["command", "ledger", "nothing_set"]  # fixtures

PROJECT = "5f0c1a2b3c4d5e6f70818283"
INTENT = {
    "project_key": PROJECT,
    "work_item_type_key": "story",
    "work_item_ids": [1],
    "field_key": "f",
    "update_mode": "UPDATE",
    "after_field_value": "x",
}
CREDENTIALS = {
    "FEISHU_BATCH_PLUGIN_ID": "MII_1",
    "FEISHU_BATCH_PLUGIN_SECRET": "a secret",
    "FEISHU_BATCH_USER_KEY": "7300000000000000001",
}
CONTENT = ("--project-key", PROJECT, "--type", "story", "--field", "f", "--item", 1, "--after", "x")
# Each command that reads or writes the ledger. `FILE` is a file with one row, `INTENT` an intent's id.
COMMANDS = {
    "enqueue": [("enqueue", *CONTENT), ("enqueue", *CONTENT, "--wait")],
    "import": [("import", "FILE"), ("import", "FILE", "--wait")],
    "plan": [("plan", "FILE", "--against-backlog")],
    "status": [("status",), ("status", "--json"), ("status", "--intents")],
    "watch": [("watch", "--once"), ("watch", "--json")],
    "show": [("show", "INTENT")],
    "history": [("history", "--item", 1)],
    "export": [("export", "--space", PROJECT, "--type", "story", "--ids", "FILE", "--output", "items.csv")],
    "failures": [("failures",)],
    "sets": [("sets",), ("show", "--set", "S"), ("failures", "--set", "S"), ("cancel", "--set", "S", "--yes")],
    "undo": [("undo", "S", "--dry-run")],
    "retry": [("retry", "--intent", "INTENT"), ("retry", "--set", "S", "--yes"), ("retry", "--all", "--yes")],
    "cancel": [("cancel", "INTENT"), ("cancel", "--file", "FILE", "--yes")],
    "pause": [("pause",)],
    "resume": [("resume",)],
    "schedule": [("schedule", "list"), ("schedule", "run", "nightly")],
    "fields": [("fields", "--space", PROJECT, "--type", "story")],
    "doctor": [("doctor",), ("doctor", "--json")],
    "probe": [("probe", "--space", PROJECT, "--type", "story", "--items", "1", "--field", "f", "--yes")],
    "metrics": [("metrics",)],
    "rebind": [("rebind",)],
    "dashboard": [("dashboard", "--port", 0)],
    "run": [("run", role) for role in ("submit", "poll", "intake", "beat")],
    "up": [("up",), ("up", "--paused")],
}
WITHOUT_LEDGER = {"demo", "health", "sandbox", "completion"}  # an own one; none at all
FOUND = {"before there was a number": None, "a newer one": str(FORMAT + 1), "an older one": "1", "no number": "junk"}


@pytest.fixture(params=FOUND.values(), ids=FOUND)
def foreign(request, redis, prefix):
    """Writes such a ledger, and returns a look at all of it."""
    keys = InboxKeys(prefix)
    redis.set(keys.sequence, 7)
    if request.param:
        redis.set(keys.format, request.param)
    return lambda: {key: redis.dump(key) for key in sorted(redis.scan_iter(f"{prefix}:*"))}


def is_the_sentence(text: str) -> bool:
    """What is there, what this version wants, what to do."""
    return (
        all(part in text for part in ("has format", f"needs format {FORMAT}", "nothing was changed", "key prefix"))
        and "Traceback" not in text
    )


def test_no_command_is_missing_from_this_table():
    assert COMMANDS.keys() | WITHOUT_LEDGER == _COMMANDS.keys()


@pytest.mark.parametrize(
    "line",
    [line for lines in COMMANDS.values() for line in lines],
    ids=lambda line: " ".join(map(str, (*line[:2], line[-1]))),
)
def test_every_command_refuses_it(command, foreign, tmp_path, line):
    before = foreign()
    file = tmp_path / "rows.csv"
    file.write_text(
        f"project_key,work_item_type_key,work_item_ids,field_key,update_mode,after_field_value\n{PROJECT},story,1,f,UPDATE,x\n"
    )
    schedule = tmp_path / "schedule.toml"
    schedule.write_text(f'[[schedule]]\nname = "nightly"\ncron = "0 2 * * *"\nfile = "{file}"\n')
    command.env |= CREDENTIALS | {
        "FEISHU_BATCH_SCHEDULE_FILE": str(schedule),
        "FEISHU_BATCH_DATA_DIR": str(tmp_path / "data"),
    }
    told = command(*({"FILE": file, "INTENT": "some-id"}.get(word, word) for word in line))
    assert told.exit_code == 2, told.output
    assert is_the_sentence(told.output)
    assert foreign() == before


def library(url, prefix):
    return FeishuBatch(url, broker_url="memory://", key_prefix=prefix)


DOORS = {
    "enqueue": lambda client, _: client.enqueue(**INTENT),
    "enqueue_many": lambda client, _: client.enqueue_many([INTENT] * 2),
    "enqueue_many in several steps": lambda client, _: client.enqueue_many([INTENT] * 1100),
    "state": lambda client, _: client.handle("some-id").state,
    "progress": lambda client, _: client.handle("some-id").progress,
    "wait": lambda client, _: client.handle("some-id").wait(1),
    "the Celery task": lambda _, redis: redis.enqueue(PackedIntent.of(parse_intent(INTENT))),
}


@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS)
def test_the_library_and_the_celery_task_refuse_it(redis_url, redis, prefix, foreign, door):
    before = foreign()
    with library(redis_url, prefix) as client, pytest.raises(LedgerFormatError) as told:
        door(client, Inbox(redis, prefix))
    assert is_the_sentence(str(told.value))
    assert foreign() == before


@pytest.mark.parametrize("founds", [True, False])
def test_a_worker_refuses_it_whenever_it_connects(redis_url, redis, prefix, foreign, founds):
    """Redis may come after the worker, and another ledger may take the place of the one that was checked at the start."""
    before = foreign()
    settings = load_settings().with_redis_url(redis_url).model_copy(update={"key_prefix": prefix})
    there = connect(settings, founds=founds)
    for _ in range(2):  # a connection that failed is not kept
        with pytest.raises(OtherFormatError):
            there.ping()
    assert foreign() == before


def test_the_first_intent_writes_the_number(redis_url, redis, prefix):
    with library(redis_url, prefix) as client:
        client.enqueue(**INTENT)
        assert redis.get(InboxKeys(prefix).format) == str(FORMAT)
        assert client.enqueue(**INTENT).state == "queued"


def test_a_worker_writes_the_number_into_an_empty_ledger_and_a_look_does_not(redis_url, redis, prefix):
    settings = load_settings().with_redis_url(redis_url).model_copy(update={"key_prefix": prefix})
    connect(settings).ping()
    assert redis.get(InboxKeys(prefix).format) is None
    connect(settings, founds=True).ping()
    assert redis.get(InboxKeys(prefix).format) == str(FORMAT)


@pytest.mark.parametrize(
    ("change", "begins"),
    [
        (("REPLICAOF", "127.0.0.1", "1"), "You can't write"),
        (("CONFIG", "SET", "min-replicas-to-write", "1"), "NOREPLICAS"),
    ],
)
def test_a_worker_that_cannot_begin_a_ledger_is_told_why_by_the_server(own_redis_url, change, begins):
    with Redis.from_url(own_redis_url) as there:
        there.execute_command(*change)
    with pytest.raises(ElsewhereError, match=begins):
        connect(load_settings().with_redis_url(own_redis_url), founds=True).ping()


def test_a_full_server_is_reported_by_the_first_step_and_not_by_the_connection(own_redis_url):
    with Redis.from_url(own_redis_url) as there:
        there.config_set("maxmemory", 1)
    assert connect(load_settings().with_redis_url(own_redis_url), founds=True).ping()


def test_enqueue_takes_one_round_trip_as_ever(redis_url, redis, prefix):
    """The check is made in the step that writes."""
    with library(redis_url, prefix) as client:
        client.enqueue(**INTENT)  # the script is loaded, the connection is made
        with redis.monitor() as monitor:
            client.enqueue(**INTENT)
            redis.echo(prefix)
            seen = list(takewhile(lambda one: not one["command"].startswith("ECHO"), monitor.listen()))
    asked = [one["command"].split()[0] for one in seen if one["client_type"] != "lua" and prefix in one["command"]]
    assert asked == ["EVALSHA"]


def test_up_refuses_an_embedded_ledger_which_it_can_ask_only_when_it_runs(tmp_path):
    data = tmp_path / "data"
    with EmbeddedServer(data) as server, Redis.from_url(server.url) as there:
        there.set(InboxKeys().sequence, 7)
    own = {name: value for name, value in os.environ.items() if not name.startswith("FEISHU_BATCH_")}
    environ = own | CREDENTIALS | {"FEISHU_BATCH_DATA_DIR": str(data), "FEISHU_BATCH_DASHBOARD_ENABLED": "false"}
    told = run_command("up", env=environ, timeout=PATIENCE)
    assert told.returncode == 2, told.stderr
    assert is_the_sentence(told.stderr.splitlines()[-1])
    with EmbeddedServer(data) as server, Redis.from_url(server.url) as there:
        assert there.keys(f"{InboxKeys().prefix}:*") == [InboxKeys().sequence.encode()]
