"""What the documents show is run: against a real server, the sandbox and real workers."""

import json
import re
import shlex
import sys
from types import SimpleNamespace

import pytest
from celery._state import _set_task_join_will_block, task_join_will_block
from jsonschema import Draft202012Validator

from config.lanes import load_lanes
from config.settings import Settings
from feishu_batch import Result, parse_intent
from sandbox.process import SandboxProcess
from tests.docs.pages import BIN, ROOT, block_with, blocks, commands_of, text
from tests.docs.shell import clean_environment, run, running_up
from tests.support.programs import require
from tests.support.stack import SLOT
from tests.support.waiting import PATIENCE, wait_until

PRODUCERS, OPERATING = "docs/producers.md", "docs/operating.md"
RESULT = Draft202012Validator(json.loads(text("docs/result.schema.json")))
INTENT = {
    "project_key": "5f0c1a2b3c4d5e6f70818283",
    "work_item_type_key": "story",
    "work_item_ids": [1021, 1022],
    "field_key": "field_a1b2c3",
    "update_mode": "UPDATE",
    "after_field_value": "from a document",
}


def execute(block, **names):
    namespace = {"__name__": "documented", **names}
    exec(compile(block, "document", "exec"), namespace)
    return SimpleNamespace(**namespace)


# --- README ---------------------------------------------------------------------------------------------------------


def test_the_examples_of_the_readme_run(stack, capsys):
    [enqueue] = blocks("README.md", "python")
    assert len(enqueue.splitlines()) <= 10
    execute(enqueue)
    assert capsys.readouterr().out == "succeeded {'succeeded': 2, 'failed': 0} {}\n"
    assert stack.sandbox.values()[1002]["priority"] == {"value": "option_0"}


def test_the_make_commands_of_the_readme_exist():
    named = re.findall(r"^make (\w+)", block_with("README.md", "sh", "make"), re.MULTILINE)
    targets = re.findall(r"^(\w+):", text("Makefile"), re.MULTILINE)
    assert named == ["demo", "test"]
    assert set(named) <= set(targets)


def test_the_shell_commands_of_the_readme_run(tmp_path):
    """From the exports to the status, with the sandbox in place of Feishu Project."""
    export, up, *others = [c for c in commands_of("README.md") if not c.startswith("make")]
    assert up == "feishu-batch up"
    (tmp_path / "changes.csv").write_text(*blocks(PRODUCERS, "csv"))
    with SandboxProcess(window=SLOT, job_median=SLOT) as sandbox:
        given = dict(part.split("=") for part in shlex.split(export)[1:])
        assert list(given.values()) == ["…"] * 3
        environ = clean_environment() | dict.fromkeys(given, "7300000000000000001")
        environ |= {"FEISHU_BATCH_BASE_URL": sandbox.base_url, "FEISHU_BATCH_SLOT_SECONDS": str(SLOT)}
        with running_up(tmp_path, environ):
            results = {command: run(command, cwd=tmp_path, env=environ) for command in others}
            url = (tmp_path / ".feishu-batch/redis-url").read_text()
        assert url.startswith("redis://")
        assert {command: result.returncode for command, result in results.items()} == dict.fromkeys(others, 0), results
        assert sandbox.violations()["total"] == 0
        assert sandbox.values()[1001] == {"field_3f6a90": 5, "field_a1b2c3": "Shipped, at last"}


# --- docs/producers.md ----------------------------------------------------------------------------------------------


def test_the_script_runs(stack, capsys):
    execute(block_with(PRODUCERS, "python", "handles ="))
    assert capsys.readouterr().out == "succeeded\n" * 3


def test_enqueuing_again_until_it_succeeds(stack):
    page = execute(block_with(PRODUCERS, "python", "enqueue_surely"))
    assert page.enqueue_surely(parse_intent(INTENT)).wait(PATIENCE).ok


def test_the_celery_example_runs_its_chain(stack):
    block = block_with(PRODUCERS, "python", "beat_schedule").replace("redis://localhost:6379/0", stack.server.url)
    page = execute(block)
    assert page.close_in_order(1024, 1025).get(timeout=PATIENCE)["state"] == "succeeded"
    stack.redis.delete("backend")
    page.close_all([1026, 1027])
    assert wait_until(lambda: stack.redis.lpop("backend"), 20, "the body was sent to the queue that it names")
    entry = page.app.conf.beat_schedule["reset-note"]
    result = page.app.send_task(entry["task"], kwargs=entry["kwargs"], **entry["options"])
    assert result.get(timeout=PATIENCE)["state"] == "succeeded"


def test_the_errback_may_wait_inside_a_task(stack, capsys):
    block = block_with(PRODUCERS, "python", "beat_schedule").replace("redis://localhost:6379/0", stack.server.url)
    page = execute(block, __name__="errback")  # another name: the tasks of the test above are registered
    failed = page.close_all([1013, 1777])
    message = json.loads(wait_until(lambda: stack.redis.lpop("backend"), 20, "the errback was called"))
    assert message["headers"]["task"].endswith("complain")
    was_blocking = task_join_will_block()
    _set_task_join_will_block(True)  # as in a worker
    try:
        page.complain(failed.id)
    finally:
        _set_task_join_will_block(was_blocking)
    assert capsys.readouterr().out.startswith("ChordError(")


def test_send_task_names_everything_that_is_needed(stack):
    block = block_with(PRODUCERS, "python", "send_task(").replace("redis://localhost:6379/0", stack.server.url)
    assert execute(block).sent.get(timeout=PATIENCE)["state"] == "succeeded"
    assert stack.client.handle("order-4712-shipped").wait(PATIENCE).ok


def test_the_raw_message_is_one(stack, tmp_path):
    require("redis-cli")
    (tmp_path / "message.json").write_text(block_with(PRODUCERS, "json", "delivery_tag"))
    push, look = (command for command in commands_of(PRODUCERS) if command.startswith("redis-cli"))
    assert run(push).stdout == "1\n"
    told = wait_until(lambda: "SUCCESS" in (found := run(look).stdout) and json.loads(found), 20, "the result is there")
    RESULT.validate(told["result"])
    assert stack.sandbox.values()[1004]["field_a1b2c3"] == "from any language"


def test_a_failure_is_reported_as_the_table_says(stack):
    intent_id = stack.client.enqueue(**{**INTENT, "work_item_ids": [1008, 1013]}).intent_id
    meta = f"celery-task-meta-{intent_id}"
    wait_until(lambda: "FAILURE" in (stack.redis.get(meta) or ""), 20, "it has failed")
    told = json.loads(stack.redis.get(meta))
    text_of_it, result = told["result"]["exc_message"]
    assert "1013" in text_of_it
    RESULT.validate(result)
    assert list(result["failed"]) == ["1013"]


def test_the_example_of_a_backends_test_passes():
    execute(block_with(PRODUCERS, "python", "test_raise_priority")).test_raise_priority()


def test_every_python_example_is_among_those_that_run():
    assert len(blocks(PRODUCERS, "python")) == 10
    assert "from_env" in block_with(PRODUCERS, "python", "from feishu_batch import FeishuBatch\n\nfeishu")


def test_the_shell_commands_of_the_producers_page_run(stack, tmp_path):
    (tmp_path / "intent.json").write_text(json.dumps(INTENT))
    ours = [command for command in commands_of(PRODUCERS) if command.startswith("feishu-batch")]
    results = {command: run(command) for command in ours}
    assert {command: result.returncode for command, result in results.items()} == dict.fromkeys(results, 0), results
    assert len(results) == 2


def test_the_shown_result_has_the_shape_of_one():
    shown = json.loads(block_with(PRODUCERS, "json", "partial"))
    assert list(shown) == list(Result.__slots__)
    RESULT.validate(shown)
    assert sum(shown["counts"].values()) == 2


# --- docs/operating.md ----------------------------------------------------------------------------------------------


def test_pause_resume_and_cancel_run(stack):
    pause, resume, cancel = block_with(OPERATING, "sh", "pause").splitlines()
    assert run(pause).returncode == 0
    assert stack.lane.paused()["reason"] == "maintenance until 18:00"
    intent_id = cancel.split()[-1]
    [handle] = stack.client.enqueue_many([{**INTENT, "intent_id": intent_id}])
    canceled = run(cancel)
    assert run(resume).returncode == 0
    assert canceled.returncode == 0, canceled
    assert handle.wait(PATIENCE).counts == {"succeeded": 0, "failed": 0, "canceled": 2}
    assert stack.lane.paused() is None


def test_the_lanes_file_is_one(tmp_path, monkeypatch):
    (tmp_path / "lanes.toml").write_text(*blocks(OPERATING, "toml"))
    settings = Settings(lanes_file=tmp_path / "lanes.toml", user_key="7300000000000000002")
    lanes = load_lanes(settings, {"MOBILE_SECRET": "a", "OTHERS_SECRET": "b"})
    assert lanes.names == ("mobile", "others")
    assert lanes.route(None, INTENT["project_key"]) == "mobile"
    with pytest.raises(ValueError, match="belongs to lane"):
        lanes.route("others", INTENT["project_key"])


# --- examples -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "code", "told"),
    [
        ("enqueue_and_wait", 1, "1013: the remote job refused the item: WorkItemTerminated"),
        ("chain_of_intents", 0, "{'succeeded': 1, 'failed': 0}"),
        ("raw_message", 0, "SUCCESS"),
    ],
)
def test_an_example_runs(stack, name, code, told):
    result = run(f"{sys.executable} {ROOT / 'examples' / name}.py")
    assert (result.returncode, told in result.stdout) == (code, True), result


def test_the_example_in_javascript_runs(stack, monkeypatch):
    modules = "/usr/share/nodejs"  # of Debian, where its package node-redis is
    require("node", f"{modules}/redis")
    monkeypatch.setenv("NODE_PATH", modules)
    result = run(f"node {ROOT}/examples/raw_message.cjs")
    assert result.returncode == 0, result
    told = json.loads(result.stdout)
    assert (told["state"], list(told["failed"])) == ("partial", ["1013"])
    assert stack.sandbox.values()[1006]["field_a1b2c3"] == "from Node.js"


def test_the_size_of_the_demonstration_is_the_same_everywhere():
    plan = json.loads(run(f"{BIN}/feishu-batch plan {ROOT}/examples/sprint.csv --json").stdout)
    rows, changes = plan["rows"], plan["lanes"][0]["changes"]
    assert f"{rows} rows ({changes} field changes)" in text("README.md")
    assert f"{rows} rows ({changes} field changes)" in text("Makefile")
    assert f"{rows} rows ({changes} field changes)" in run(f"{BIN}/feishu-batch demo --help").stdout


def test_every_example_is_run():
    assert {path.name for path in (ROOT / "examples").glob("*.*")} == {
        "enqueue_and_wait.py",
        "chain_of_intents.py",
        "raw_message.py",
        "raw_message.cjs",
        "sprint.csv",
    }
