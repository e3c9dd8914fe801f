"""`feishu-batch fields` and `plan --check`, in this process, against a real server and a real sandbox."""

import json

import pytest
from click.testing import CliRunner

from worker.cli.main import cli


@pytest.fixture
def run(settings_of):
    settings = settings_of()
    names = ("base_url", "plugin_id", "user_key", "key_prefix")
    env = {f"FEISHU_BATCH_{name.upper()}": str(getattr(settings, name)) for name in names}
    env |= {"FEISHU_BATCH_REDIS_URL": settings.effective_redis_url, "FEISHU_BATCH_PLUGIN_SECRET": "secret"}

    def invoke(*args, **more):
        return CliRunner(env={**env, **more}).invoke(cli, args, catch_exceptions=False)

    return invoke


DEMO = ("fields", "--space", "demo", "--type", "story")


def test_the_fields_of_a_type_with_their_modes_and_options(run):
    shown = run(*DEMO)
    assert shown.exit_code == 0, shown.output
    line = next(line for line in shown.stdout.splitlines() if line.startswith("priority"))
    for word in ("Priority", "select", "UPDATE REPLACE", "P0 (option_0)", "P3 (retired) (option_3, disabled)"):
        assert word in line
    assert "none: calculated" in shown.stdout
    assert "none: obsolete" in shown.stdout


def test_a_search_looks_into_names_and_options(run):
    assert run(*DEMO, "--search", "LOGIN").stdout.splitlines()[2].startswith("field_b7c2d8")
    nothing = run(*DEMO, "--search", "Prioriti")
    assert nothing.exit_code == 1
    assert "The nearest is Priority." in nothing.stdout


def test_for_programs_there_is_everything(run):
    shown = json.loads(run(*DEMO, "--search", "component", "--json").stdout)
    assert shown["project_key"] == "5f0c1a2b3c4d5e6f70818283"
    [field] = shown["fields"]
    assert field["modes"] == ["UPDATE", "REPLACE"]
    assert field["options"][1] == {
        "value": "cmp_pay_card",
        "label": "Payment / Card",
        "path": ["cmp_pay", "cmp_pay_card"],
        "disabled": False,
    }


def test_it_is_looked_up_again_on_request(run, asked):
    before = asked("field_all")
    first = json.loads(run(*DEMO, "--json").stdout)["looked_up_at"]
    assert json.loads(run(*DEMO, "--json").stdout)["looked_up_at"] == first
    assert json.loads(run(*DEMO, "--refresh", "--json").stdout)["looked_up_at"] > first
    assert asked("field_all") - before == 2


def test_what_cannot_be_reached_or_is_not_there_is_said(run, sandbox):
    assert run("fields", "--space", "nosuch", "--type", "story").exit_code == 2
    assert run(*DEMO, FEISHU_BATCH_PLUGIN_SECRET="").exit_code == 2
    sandbox.set_faults("field_all:error_before=1.0")
    away = run(*DEMO)
    assert away.exit_code == 3
    assert "cannot be looked up" in away.stderr
    assert "catalogue.not_available" not in away.output  # the same in the words of a log


def test_a_wrong_type_is_one_clear_line(run):
    wrong = run("fields", "--space", "demo", "--type", "storry")
    assert (wrong.exit_code, wrong.stdout) == (2, "")
    assert wrong.stderr.strip().endswith("the space has no item type 'storry'. Did you mean story?")
    assert len(wrong.stderr.strip().splitlines()) == 1


ROWS = """project_key,work_item_type_key,work_item_ids,field_key,update_mode,after_field_value
demo,story,1001,Priority,UPDATE,P0
demo,story,1002,Priority,UPDATE,P0
demo,story,1003,Relase note,UPDATE,x
5f0c1a2b3c4d5e6f70818283,story,1004,owner,UPDATE,lilei@example.com
"""


def test_plan_shows_what_names_mean_and_what_intake_would_refuse(run, tmp_path, asked):
    file = tmp_path / "rows.csv"
    file.write_text(ROWS)
    shown = json.loads(run("plan", str(file), "--check", "--json").stdout)
    assert [row["line"] for row in shown["rejected"]] == [4]
    assert shown["rejected"][0]["reason"].startswith("unknown_field: ")
    means = {(name["part"], name["given"]): (name["sent"], name["rows"]) for name in shown["names"]}
    assert means["value", '"P0"'] == ('{"value": "option_0"}', 2)
    assert means["field", '"Priority"'] == ('"priority"', 2)
    assert means["value", '"lilei@example.com"'] == ('"7300000000000000002"', 1)
    assert shown["lanes"][0]["requests"]["at_most"] == 2
    text = run("plan", str(file), "--check").stdout
    assert '"lilei@example.com"' in text
    before = asked("field_all")
    assert json.loads(run("plan", str(file), "--json").stdout)["rejected"] == []
    assert asked("field_all") == before


def test_plan_names_the_nearest_item_type(run, tmp_path):
    file = tmp_path / "rows.csv"
    file.write_text(ROWS.replace(",story,1001", ",Story,1001"))
    shown = run("plan", str(file), "--check")
    assert "unknown_type: the space has no item type 'Story'. Did you mean story?" in shown.stdout
    assert "catalogue." not in shown.output


def test_plan_says_which_rows_could_not_be_checked(run, tmp_path, sandbox):
    file = tmp_path / "rows.csv"
    file.write_text(ROWS.replace("demo,", "5f0c1a2b3c4d5e6f70818283,"))
    sandbox.set_faults("field_all:error_before=1.0")
    shown = run("plan", str(file), "--check")
    assert "4 rows could not be checked" in shown.stdout
    assert "catalogue.not_available" not in shown.output


def test_import_rejects_what_intake_would_refuse_with_check(run, tmp_path):
    file = tmp_path / "rows.csv"
    file.write_text(ROWS)
    strict = run("import", str(file), "--strict", "--check")
    assert (strict.exit_code, "line 4: unknown_field: " in strict.stderr) == (2, True)
    shown = run("import", str(file), "--check")
    assert shown.exit_code == 1
    assert "4 rows of" in shown.stdout
    assert "3 enqueued, 1 rejected" in shown.stdout
    again = json.loads(run("import", str(file), "--json").stdout)
    assert (again["known"], again["enqueued"]) == (3, 1), "nothing else was enqueued, under the same ids"


def test_import_says_which_rows_could_not_be_checked(run, tmp_path, sandbox):
    file = tmp_path / "rows.csv"
    file.write_text(ROWS.replace("demo,", "5f0c1a2b3c4d5e6f70818283,"))
    sandbox.set_faults("field_all:error_before=1.0")
    shown = run("import", str(file), "--check")
    assert "0 enqueued, 4 rejected" in shown.stdout, shown.output
    assert "cannot_resolve: " in shown.stdout  # what may be a name is refused by intake, too
    assert "4 rows could not be checked" in shown.stderr
