"""The columns and cells of a table, against a real sandbox: names are looked up before anything is enqueued."""

import json

import pytest
from click.testing import CliRunner

from feishu_batch.intents import parse_intent
from worker.cli.main import cli
from worker.ledger.inbox import Inbox

PLACE = ("--space", "demo", "--type", "story")


@pytest.fixture
def run(settings_of):
    settings = settings_of()
    names = ("base_url", "plugin_id", "user_key", "key_prefix")
    env = {f"FEISHU_BATCH_{name.upper()}": str(getattr(settings, name)) for name in names}
    env |= {"FEISHU_BATCH_REDIS_URL": settings.effective_redis_url, "FEISHU_BATCH_PLUGIN_SECRET": "secret"}

    def invoke(*args, **more):
        return CliRunner(env={**env, **more}).invoke(cli, [str(arg) for arg in args], catch_exceptions=False)

    return invoke


@pytest.fixture
def enqueued(redis, prefix):
    def read():
        entries = redis.xrange(Inbox(redis, prefix).keys.inbox)
        found = [parse_intent(one["i"]) for _, one in entries]
        return [(i.field_key, i.after_field_value, i.work_item_ids) for i in found]

    return read


@pytest.fixture
def table(tmp_path):
    def write(text):
        path = tmp_path / "plan.csv"
        path.write_text(text)
        return path

    return write


def test_what_means_the_same_is_one_intent_however_it_is_written(run, enqueued, table):
    done = run("import", table('ID,Priority\n1001,P0\n1002,p0\n1003,"{""value"": ""option_0""}"\n1004,P1\n'), *PLACE)
    assert done.exit_code == 0, done.output
    assert enqueued() == [("Priority", "P0", (1001, 1002, 1003)), ("Priority", "P1", (1004,))]
    assert "Priority is 'Priority' (priority)" in done.stdout


def test_a_column_that_is_no_field_names_the_nearest_and_nothing_is_enqueued(run, enqueued, table):
    done = run("import", table("ID,Prioritty,Remark of mine\n1001,P0,x\n"), *PLACE)
    assert done.exit_code == 2
    assert "column 'Prioritty' is no field that can be written" in done.stderr
    assert "the nearest is 'Priority' (priority)" in done.stderr
    assert '--ignore "Prioritty" --ignore "Remark of mine"' in done.stderr
    assert enqueued() == []
    done = run("import", table("ID,Prioritty,x\n1001,P0,x\n"), *PLACE, "--field", "Prioritty=Priority", "--ignore", "x")
    assert done.exit_code == 0, done.output


def test_a_wrong_value_is_rejected_with_line_column_field_value_and_reason(run, enqueued, table):
    done = run("import", table("ID,Priority,Release note\n1001,P9,good\n"), *PLACE, "--json")
    [rejected] = json.loads(done.stdout)["rejected"]
    assert rejected.pop("reason").startswith("Priority: unknown_option: 'Priority' (priority) has no option 'P9'")
    assert rejected == {"line": 2, "column": "Priority", "field": "'Priority' (priority)", "value": "P9"}
    assert enqueued() == [("Release note", "good", (1001,))]


def test_a_mode_that_the_field_does_not_take_is_refused(run, table):
    done = run("import", table("ID,Priority\n1001,P0\n"), *PLACE, "--append", "Priority")
    assert done.exit_code == 2
    assert "which takes UPDATE, REPLACE, not APPEND" in done.stderr


def test_two_names_of_one_field_are_refused(run, table):
    done = run("import", table("ID,Priority,priority \n1001,P0,P1\n"), *PLACE)
    assert done.exit_code == 2
    done = run("import", table("ID,Release note,field_a1b2c3\n1001,x,y\n"), *PLACE)
    assert "'Release note' and 'field_a1b2c3' are both the field 'Release note' (field_a1b2c3)" in done.stderr


def test_a_space_or_type_that_is_not_there_is_refused(run, table):
    path = table("ID,Priority\n1001,P0\n")
    assert (
        "no space with the simple name 'nosuch'" in run("import", path, "--space", "nosuch", "--type", "story").stderr
    )
    assert "has no item type 'storry'" in run("import", path, "--space", "demo", "--type", "storry").stderr


def test_without_credentials_what_was_looked_up_before_serves(run, enqueued, table):
    path = table("ID,Priority\n1001,P0\n")
    without = {"FEISHU_BATCH_PLUGIN_ID": "", "FEISHU_BATCH_PLUGIN_SECRET": "", "FEISHU_BATCH_USER_KEY": ""}
    alone = run("import", path, *PLACE, **without)
    assert alone.exit_code == 2
    assert "column 'Priority': whether a field is called so cannot be looked up" in alone.stderr
    assert run("fields", *PLACE).exit_code == 0
    assert run("import", path, *PLACE, **without).exit_code == 0
    assert enqueued() == [("Priority", "P0", (1001,))]
