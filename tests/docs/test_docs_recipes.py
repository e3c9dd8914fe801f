"""Every recipe is carried out, by real workers against the sandbox; the commands of docs/troubleshooting.md are run."""

import ast
import json
import sqlite3
import sys
from datetime import datetime

import pytest

from config.schedules import load_schedules
from config.settings import Settings
from tests.docs.pages import blocks, commands_of, text
from tests.docs.shell import run
from tests.support.waiting import PATIENCE

RECIPES, TROUBLESHOOTING = "docs/recipes.md", "docs/troubleshooting.md"
NOT_RUN = ("# before", "import sqlite3")  # the reader's old loop; a program that is run by itself
CLOSED = {
    "project_key": "demo",
    "work_item_type_key": "story",
    "work_item_ids": [1013],
    "field_key": "priority",
    "update_mode": "UPDATE",
    "after_field_value": {"value": "option_1"},
}
MIDNIGHT = datetime.fromisoformat(f"2030-01-31T00:00:00{Settings().time_zone}").timestamp() * 1000


@pytest.fixture
def page(stack, capsys):
    """What all recipes together leave behind, one after the other as a reader would try them."""
    namespace = {"__name__": "recipes"}
    for block in blocks(RECIPES, "python"):
        if not block.startswith(NOT_RUN) and "import sqlite3" not in block:
            exec(compile(block, "recipe", "exec"), namespace)
    for name in ("cleared", "tagged", "swapped", "owned", "dated", "first", "changed", "guarded", "moved"):
        result = namespace[name].wait(PATIENCE)
        assert result.state == "succeeded", (name, result)
    assert [handle.wait(PATIENCE).state for handle in namespace["handles"]] == ["succeeded"] * 3
    return namespace


def test_the_recipes_do_what_they_say(page, stack, capsys):
    values = stack.sandbox.values()
    assert values[1101]["field_a1b2c3"] is None
    assert {tag["value"] for tag in values[1102]["tags"]} == {"n8d2k5j1h", "s1d4f7g0h", "q4w7e9r3y"}
    assert values[1103]["owner"] == "7300000000000000002"
    assert values[1104]["field_d4e5f6"] == MIDNIGHT
    assert [values[item]["field_3f6a90"] for item in (1105, 1106, 1107)] == [3, 3, 5]
    assert list(page["result"].failed) == ["1013"]
    assert page["first"].intent_id == page["second"].intent_id
    assert values[1110]["priority"] == {"value": "option_0"}
    assert sum(page["again"].counts.values()) == 4
    assert values[1112]["priority"] == {"value": "option_0"}
    assert [values[item]["priority"] for item in (1113, 1114)] == [{"value": "option_0"}, {"value": "option_1"}]
    undo = [command for command in commands_of(RECIPES) if command.startswith("feishu-batch undo")]
    assert [run(command).returncode for command in undo] == [0, 0]
    values = stack.sandbox.values()
    assert [values[item]["priority"] for item in (1113, 1114)] == [{"value": "option_2"}] * 2


def test_the_loop_of_before_is_python():
    [before] = [block for block in blocks(RECIPES, "python") if block.startswith("# before")]
    assert ast.parse(before)


def test_a_table_becomes_a_file_that_can_be_planned(stack, tmp_path):
    [program] = [block for block in blocks(RECIPES, "python") if "import sqlite3" in block]
    (tmp_path / "changes.py").write_text(program)
    with sqlite3.connect(tmp_path / "tracker.db") as database:
        database.execute("CREATE TABLE stories (item INTEGER, points INTEGER)")
        database.executemany("INSERT INTO stories VALUES (?, ?)", [(1120, 3), (1121, None), (1122, 5)])
    make, plan = [command for command in commands_of(RECIPES) if "changes" in command]
    assert run(make.replace("python3", sys.executable)).returncode == 0
    assert len((tmp_path / "changes.jsonl").read_text().splitlines()) == 2
    assert run(plan.replace(" --check", "")).returncode == 0  # to look names up needs credentials


def test_the_imports_of_every_night_run(stack, tmp_path):
    (tmp_path / "stories.csv").write_text(
        "project_key,work_item_type_key,work_item_ids,field_key,update_mode,after_field_value\n"
        "demo,story,1123,Story points,UPDATE,13\n"
    )
    imports = [command for command in commands_of(RECIPES) if command.startswith("feishu-batch import")]
    assert [run(command).returncode for command in imports] == [0, 0]
    assert stack.sandbox.values()[1123]["field_3f6a90"] == 13


def test_the_schedules_are_well_formed(tmp_path):
    (tmp_path / "stories.csv").touch()
    (tmp_path / "schedule.toml").write_text("\n".join(blocks(RECIPES, "toml")))
    entries = load_schedules(Settings(schedule_file=tmp_path / "schedule.toml"))
    assert [entry.name for entry in entries] == ["nightly-stories", "nightly-points"]


def test_the_commands_of_troubleshooting_run(stack, monkeypatch):
    stack.client.enqueue(**CLOSED).wait(PATIENCE)  # a reader has the failure that the page retries
    commands = commands_of(TROUBLESHOOTING)
    quick = [command for command in commands if "health" not in command and "doctor" not in command]
    results = {command: run(command) for command in quick}
    assert {command: result.returncode for command, result in results.items()} == dict.fromkeys(quick, 0), results
    told = json.loads(run("feishu-batch doctor --json").stdout)
    assert {check["name"] for check in told["checks"]} >= {"redis", "workers", "beat", "inbox", "lane"}


def test_every_symptom_of_the_page_names_what_shows_it():
    sections = text(TROUBLESHOOTING).split("\n## ")[1:]
    silent = [one.partition("\n")[0] for one in sections if "`" not in one]
    assert len(sections) > 10
    assert silent == []
