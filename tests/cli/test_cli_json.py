"""`--json`: what docs/json.md says of each command is what it prints."""

import json
import re
from pathlib import Path

import pytest

from sandbox.process import SandboxProcess
from tests.support.rows_factory import PROJECT, csv_text, row

PAGE = (Path(__file__).parents[2] / "docs/json.md").read_text()
ANY = "…"


def shape_of(text):
    """Of the page's notation: {key: its shape or None}, [shape], or ANY."""
    tokens = re.findall(r"[{}\[\],:]|[a-z_]+|…", text)

    def value():
        token = tokens.pop(0)
        if token == "[":
            found = [value()]
            assert tokens.pop(0) == "]"
            return found
        assert token == "{"
        keys = {}
        while (key := tokens.pop(0)) != "}":
            if key != ",":
                keys[key] = tokens.pop(0) and value() if tokens[0] == ":" else None
        return ANY if keys == {ANY: None} else keys

    found = value()
    assert not tokens
    return found


def documented():
    block = PAGE.split("```")[1].strip()
    commands = re.split(r"\n(?=[a-z])", block)
    return {name: shape_of(text) for name, text in (command.split(maxsplit=1) for command in commands)}


SHAPES = documented()
# Lists about what the file of these tests does not have.
NOTHING_SPECIAL = {
    f"{name}.{part}"
    for name in ("import", "plan")
    for part in (
        "noticed.other_sheets",
        "noticed.hidden_columns",
        "noticed.hidden_read.lines",
        "noticed.hidden_skipped.lines",
        "noticed.merged.lines",
        "noticed.empty_skipped.lines",
    )
}


def conforms(value, shape, where):
    """Returns which lists were empty, so that their members were not looked at."""
    if shape in (None, ANY) or value is None:
        return set()
    if isinstance(shape, list):
        assert isinstance(value, list), where
        return set.union(*(conforms(one, shape[0], where) for one in value)) if value else {where}
    assert value.keys() == shape.keys(), where
    return set().union(*(conforms(value[key], shape[key], f"{where}.{key}") for key in shape))


@pytest.fixture
def worked(command, ledger, tmp_path):
    """A ledger with something of everything."""
    path = tmp_path / "plan.csv"
    path.write_text(csv_text(row("1"), row("2", after="{broken"), row("3", after=""), row("abc")))
    failed = command.enqueue(5, 6, change_set="release-1")
    ledger.do_all({5: "Terminated"})
    command("import", path)
    ledger.do_all({1: "NoPermission"})
    ledger.lane.last_errors.note("submit", "refused")
    command("retry", "--intent", failed, "--yes")
    return {
        "show": [failed],
        "history": ["--item", 5],
        "retry": ["--all", "--dry-run"],
        "import": [path, "--wait"],
        "plan": [path],
        "watch": ["--once"],
        "cancel": [failed],
    }


@pytest.mark.parametrize(
    "name", ["status", "watch", "show", "history", "sets", "failures", "retry", "cancel", "import", "plan"]
)
def test_what_reads_the_ledger_prints_what_the_page_says(name, command, worked):
    printed = command(name, *worked.get(name, []), "--json").stdout
    assert conforms(json.loads(printed), SHAPES[name], name) <= {"import.failed", "import.clears", *NOTHING_SPECIAL}


@pytest.fixture(scope="module")
def sandbox():
    with SandboxProcess() as running:
        yield running


PLACE = ["--space", "demo", "--type", "story"]
EXPORT = [*PLACE, "--ids", "ids.txt", "--fields", "Priority", "--output", "out.csv"]


@pytest.fixture
def with_credentials(command, sandbox, tmp_path):
    command.env |= {
        "FEISHU_BATCH_BASE_URL": sandbox.base_url,
        "FEISHU_BATCH_PLUGIN_ID": "p",
        "FEISHU_BATCH_PLUGIN_SECRET": "s",
        "FEISHU_BATCH_USER_KEY": "7300000000000000001",
        "FEISHU_BATCH_DATA_DIR": str(tmp_path),
    }


@pytest.mark.parametrize(("name", "args"), [("doctor", []), ("fields", PLACE), ("export", EXPORT)])
def test_what_asks_the_remote_system_prints_what_the_page_says(name, args, command, with_credentials, tmp_path):
    (tmp_path / "ids.txt").write_text("1001\n77\n")
    printed = json.loads(command(name, *args, "--json").stdout)
    assert conforms(printed, SHAPES[name], name) <= {"fields.fields.options", "export.not_read"}


def test_a_plan_with_a_diff_prints_what_the_page_says(command, with_credentials, tmp_path):
    shape = shape_of(re.search(r"`diff`:\n(.*?)\. `listed` are", PAGE, re.DOTALL)[1].replace("`", ""))
    shape["listed"] = shape_of(re.search(r"be cleared:\s+`(\[.*?\])`", PAGE, re.DOTALL)[1])
    (tmp_path / "table.csv").write_text("ID,Priority\n1001,P0\n77,P0\n")
    printed = json.loads(command("plan", "table.csv", *PLACE, "--diff", "--json").stdout)
    assert conforms(printed["diff"], shape, "diff") == set()


def test_the_list_of_schedules_is_what_the_page_says(command, ledger, tmp_path):
    path = tmp_path / "schedule.toml"
    path.write_text(f"""[[schedule]]
name = "x"
every = "1h"
intent = {{ project_key = "{PROJECT}", work_item_type_key = "story", work_item_ids = [1], field_key = "f", update_mode = "UPDATE", after_field_value = 1 }}
""")
    command.env["FEISHU_BATCH_SCHEDULE_FILE"] = str(path)
    assert command("schedule", "run", "x").exit_code == 0
    printed = json.loads(command("schedule", "list", "--json").stdout)
    assert conforms(printed, SHAPES["schedule"], "schedule") == set()
    assert printed["schedules"][0]["last_run"]["intents"] == 1


def test_the_page_has_every_command_that_prints_json():
    from worker.cli.main import cli

    names = [
        name
        for name in cli.list_commands(None)
        if any("--json" in one.opts for one in cli.get_command(None, name).params)
    ]
    assert set(names) - {"enqueue"} == SHAPES.keys() - {"schedule"}


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (("import", "nowhere.csv"), 2, "nowhere.csv: there is no such file. Nothing was enqueued."),
        (("plan", "nowhere.csv"), 2, "nowhere.csv: there is no such file. Nothing was enqueued."),
        (("show", "nowhere"), 2, "no intent nowhere"),
        (("status", "--lane", "nowhere"), 2, "no lane is named 'nowhere'"),
        (("failures", "--since", "soon"), 2, "--since soon: write it like 30m, 12h or 7d"),
        (("retry",), 2, "nothing selected"),
        (("cancel", "nowhere", "elsewhere", "--yes"), 2, "no intent nowhere"),
        (("fields", "--space", "demo"), 2, "Missing option '--type'"),
    ],
)
def test_an_error_is_a_document_too(command, args, code, words):
    result = command(*args, "--json")
    document = json.loads(result.stdout)
    assert (result.exit_code, document["exit_code"], document.keys()) == (code, code, {"error", "exit_code"})
    assert words in document["error"]
    assert words in result.stderr
