"""`plan --diff` over a real sandbox: old → new for each cell, and nothing written."""

import json
import time

import openpyxl
import pytest

from sandbox.process import SandboxProcess
from tests.support.report_rows import report_rows
from tests.support.rows_factory import csv_text, row

PLACE = ("--space", "demo", "--type", "story")
TABLE = """ID,Priority,Owner,Tags,Release note,Due date
1001,P0,xiaoming@example.com,backend,=1+1,2030-01-31
1002,P2,lilei@example.com,"backend, urgent",,
99,P2,,,,
1003,PX,,,,
"""
LOOKED_UP = (
    "catalogue",
    "space",
    "person",
    "slot",
    "token",
    "clock",
    "requests:",
    "metrics",
)  # keys that every read writes
COUNTS = ("changed", "cleared", "unchanged", "not_known", "no_such_item", "refused")


@pytest.fixture
def table(tmp_path):
    def make(text=TABLE, name="plan.csv"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return make


def counts(found):
    return {name: found[name] for name in COUNTS if found[name]}


def listed(found):
    return [(one["item"], one["field"], one["effect"], one["old"], one["new"]) for one in found["listed"]]


def test_a_table_shows_old_and_new_of_each_cell(diff, table, asked):
    before = asked("work_item_query")
    found = diff(table(), *PLACE, exit_code=1)
    assert counts(found) == {"changed": 3, "unchanged": 3, "not_known": 2, "no_such_item": 1, "refused": 1}
    assert listed(found) == [
        (1001, "Priority", "changed", "P2", "P0"),
        (1002, "Owner", "changed", "xiaoming@example.com", "lilei@example.com"),
        (1002, "Tags", "changed", "backend", "backend, urgent"),
    ]
    assert asked("work_item_query") - before == 1, "all wanted fields of all items in one request"
    assert found["read"] == {"items": 3, "requests": 1, "failed": 0, "seconds": found["read"]["seconds"]}
    assert [(one["requests"], one["requests_without_unchanged"]) for one in found["write"]] == [(8, 6)]


def test_for_people_it_says_the_same(run, table):
    shown = run("plan", table(), *PLACE, "--diff").stdout
    for words in (
        "cells      9: 3 changed, 3 unchanged, 2 not known, 1 of items that do not exist",
        "write      8 requests, at least 8 s; without the unchanged cells 6 requests, at least 6 s",
        "not known  2 cells: the answer leaves the field out",
        "has no option 'PX'",
    ):
        assert words in shown
    [line] = [line for line in shown.splitlines() if line.startswith("1001")]
    assert line.split() == ["1001", "story", "1001", "Priority", "P2", "→", "P0"]


def test_nothing_is_written(run, table, redis, prefix, sandbox):
    def kept():
        names = redis.scan_iter(match=f"*{prefix}*", count=1000)
        return {one for one in names if not any(word in one for word in LOOKED_UP)}

    before = kept()
    run("plan", table(), *PLACE, "--diff", "--report", "out.csv")
    assert kept() == before
    assert sandbox.report()["batches"] == []


def test_a_cleared_cell_is_said(diff, table):
    found = diff(table("ID,Owner,Tags,Release note\n1001,,backend,\n"), *PLACE, "--empty", "clear")
    assert counts(found) == {"cleared": 1, "unchanged": 1, "not_known": 1}
    assert listed(found) == [(1001, "Owner", "cleared", "xiaoming@example.com", "")]


def test_a_table_adds_values_to_what_is_there(diff, table):
    found = diff(table("ID,Tags\n1001,urgent\n1002,backend\n1001,customer\n"), *PLACE, "--append", "Tags")
    assert listed(found) == [(1001, "Tags", "changed", "backend", "backend, urgent, customer")]
    assert counts(found) == {"changed": 1, "unchanged": 1}


def test_a_file_of_field_changes_works_alike(diff, table):
    text = csv_text(
        row("1001-1003", "priority", "UPDATE", "P1"),
        row("1002", "Priority", "UPDATE", "P2"),
        row("1001", "tags", "APPEND", '["urgent"]'),
        row("1003", "priority", "REPLACE", "P1", "P0"),
        header=(*csv_text().strip().split(","), "before_field_value"),
    ).replace(",P1,P0", ",P0,P1")
    found = diff(table(text))
    assert listed(found) == [
        (1001, "Priority", "changed", "P2", "P1"),
        (1001, "Tags", "changed", "backend", "backend, urgent"),
        (1003, "Priority", "changed", "P2", "P0"),
    ]
    assert counts(found) == {"changed": 3, "unchanged": 1}


def test_a_hidden_field_is_not_known(diff, table, sandbox):
    sandbox.set_faults("hide_field=1.0,field=priority")
    found = diff(table("ID,Priority,Owner\n1001,P2,xiaoming@example.com\n"), *PLACE)
    assert counts(found) == {"unchanged": 1, "not_known": 1}
    assert "hidden" in found["reasons"][0]["reason"]


def test_an_empty_field_that_is_shown_is_unchanged_by_a_clear(env_of, run, table):
    with SandboxProcess(window=0.05, unset="null") as sandbox:
        done = run(
            "plan",
            table("ID,Release note\n1001,\n"),
            *PLACE,
            "--diff",
            "--json",
            "--empty=clear",
            base_url=sandbox.base_url,
        )
        assert counts(json.loads(done.stdout)["diff"]) == {"unchanged": 1}


def test_missing_items_may_fail_the_whole_request(run, table):
    rows = "".join(f"{item},P2\n" for item in [*range(1001, 1031), *range(50, 70)])
    with SandboxProcess(window=0.01, missing="fail") as sandbox:
        done = run("plan", table("ID,Priority\n" + rows), *PLACE, "--diff", "--json", base_url=sandbox.base_url)
    assert counts(json.loads(done.stdout)["diff"]) == {"unchanged": 30, "no_such_item": 20}


def test_a_read_that_fails_is_tried_again_and_else_not_known(diff, table, sandbox):
    sandbox.set_faults("work_item_query:error_before=2x")
    assert counts(diff(table("ID,Priority\n1001,P2\n"), *PLACE)) == {"unchanged": 1}
    sandbox.set_faults("work_item_query:refuse=1.0,code=30014")
    found = diff(table("ID,Priority\n1001,P2\n"), *PLACE, exit_code=3)
    assert counts(found) == {"not_known": 1}
    assert found["reasons"][0]["reason"].startswith("could not be read: ")
    assert (found["read"]["requests"], found["read"]["failed"]) == (1, 1)


@pytest.mark.parametrize(
    "fault", ["spurious_429=2x", "token_loss=1x", "try_later=2x", "garbage_before=1x", "drop_before=1x"]
)
def test_trouble_that_passes_changes_no_answer(diff, table, sandbox, fault):
    sandbox.set_faults(f"work_item_query:{fault}")
    assert counts(diff(table("ID,Priority\n1001,P2\n1002,P0\n"), *PLACE)) == {"changed": 1, "unchanged": 1}


def test_a_read_that_lags_shows_what_was_there(diff, run, table, sandbox):
    """What it proves, it proves about then; nothing is left out for it."""
    sandbox.set_faults("work_item_query:stale_read=1.0,seconds=3600")
    assert counts(diff(table("ID,Priority\n1001,P2\n"), *PLACE)) == {"unchanged": 1}


def test_after_trouble_that_would_repeat_nothing_more_is_asked(diff, table, sandbox, asked):
    sandbox.set_faults("work_item_query:refuse=1.0,code=30014")
    rows = "".join(f"{item},P2\n" for item in range(1001, 2001))
    before = asked("work_item_query")
    found = diff(table("ID,Priority\n" + rows), *PLACE, exit_code=3)
    assert found["not_known"] == 1000
    assert asked("work_item_query") - before <= 4  # those that were on their way


def test_each_user_reads_what_that_user_would_write(diff, table, sandbox):
    """A user who may not read does not stop the others."""
    rows = [row("1001", "priority", "UPDATE", "P2", user) for user in ("", "7300000000000000002")]
    rows += [row("1002", "priority", "UPDATE", "P2", "7300000000000000009")]
    header = (*csv_text().strip().split(","), "user_key")
    found = diff(table(csv_text(*rows, header=header)), exit_code=1)
    assert counts(found) == {"unchanged": 2, "not_known": 1}
    assert found["reasons"][0]["reason"] == "could not be read: Check User Error (code 10302)"
    assert found["read"]["requests"] == 3


LANES = """
[lanes.first]
plugin_id = "p1"
plugin_secret = { env = "FEISHU_BATCH_PLUGIN_SECRET" }

[lanes.second]
plugin_id = "p2"
plugin_secret = { env = "FEISHU_BATCH_PLUGIN_SECRET" }
project_keys = ["6a1d2b3c4d5e6f7081928374"]
"""


def test_each_lane_reads_its_own_spaces(run, env_of, table, tmp_path, sandbox, monkeypatch):
    (tmp_path / "lanes.toml").write_text(LANES)
    monkeypatch.setenv("FEISHU_BATCH_LANES_FILE", str(tmp_path / "lanes.toml"))
    rows = "1001,demo,P0\n9001,6a1d2b3c4d5e6f7081928374,P0\n9002,6a1d2b3c4d5e6f7081928374,P0\n"
    done = run("plan", table(f"ID,space,Priority\n{rows}"), "--type", "story", "--diff")
    assert done.exit_code == 0, done.output
    assert (
        "write      lane first: 1 request, at least 1 s\nwrite      lane second: 1 request, at least 1 s" in done.stdout
    )


def test_rows_that_were_imported_before_are_not_read(run, diff, table):
    path = table("ID,Priority\n1001,P0\n1002,P2\n")
    assert run("import", path, *PLACE).exit_code == 0
    assert diff(path, *PLACE)["cells"] == 0


def test_without_credentials_and_for_a_report_without_diff_there_is_one_clear_line(run, table):
    wrong = run("plan", table(), *PLACE, "--report", "out.csv")
    assert (wrong.exit_code, "--report belongs to --diff" in wrong.stderr) == (2, True)
    wrong = run("plan", table(), *PLACE, "--diff", "--report", "out.docx")
    assert (wrong.exit_code, "must end with" in wrong.stderr) == (2, True)
    away = run("plan", table(), *PLACE, "--diff", redis_url="redis://127.0.0.1:1/0")
    assert away.exit_code == 3


# --- the report -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["csv", "jsonl", "xlsx"])
def test_the_report_has_every_cell_with_unchanged_ones_last(run, table, tmp_path, kind):
    out = tmp_path / f"out.{kind}"
    assert run("plan", table(), *PLACE, "--diff", "--report", out).exit_code == 1
    rows = report_rows(out)
    assert [one["effect"] for one in rows] == [
        "refused",
        "no such item",
        *["not known"] * 2,
        *["changed"] * 3,
        *["unchanged"] * 3,
    ]
    [note] = [one for one in rows if one["field"] == "Release note"]
    assert note["new"] == ("'=1+1" if kind == "csv" else "=1+1")  # no spreadsheet program evaluates it
    assert (rows[0]["line"], rows[0]["new"]) in ((5, "PX"), ("5", "PX"))
    assert (rows[4]["old"], rows[4]["new"]) == ("P2", "P0")


def test_a_workbook_shows_changes_in_colours_and_formulas_as_text(run, table, tmp_path):
    out = tmp_path / "out.xlsx"
    run("plan", table(), *PLACE, "--diff", "--report", out)
    sheet = openpyxl.load_workbook(out).active
    colours = {(one[0].value, one[5].fill.fgColor.rgb) for one in sheet.iter_rows(min_row=2)}
    assert ("changed", "00FFF2CC") in colours
    assert ("unchanged", "00000000") in colours
    assert {cell.data_type for one in sheet.iter_rows(min_row=2) for cell in one} <= {"s", "n"}


# --- much of it -----------------------------------------------------------------------------------------------------


def test_a_large_table_shows_the_first_changes_and_counts_the_rest(run, table, asked):
    rows = "".join(f"{item},P{item % 3}\n" for item in range(1001, 2001))
    before = asked("work_item_query")
    shown = run("plan", table("ID,Priority\n" + rows), *PLACE, "--diff").stdout
    assert asked("work_item_query") - before == 20
    assert sum("→" in line for line in shown.splitlines()) == 20
    assert "… and 646 more cells (--report FILE lists all)" in shown
    assert len(shown.splitlines()) < 50


@pytest.mark.parametrize("latency", [None, (0.0, 0.3)])
def test_the_pace_is_never_faster_than_the_limit(run, table, latency):
    """Also where requests arrive together that were sent apart."""
    rows = "".join(f"{item},P{item % 3}\n" for item in range(1001, 2501))
    with SandboxProcess(latency=latency, seed=3) as sandbox:  # fifteen in any second
        began = time.monotonic()
        done = run(
            "plan", table("ID,Priority\n" + rows), *PLACE, "--diff", base_url=sandbox.base_url, read_slots_per_second=15
        )
        took = time.monotonic() - began
        assert done.exit_code == 0
        assert sandbox.violations()["total"] == 0
        assert sandbox.report()["answers"]["work_item_query:0"] == 30
    assert took > 29 / 15
