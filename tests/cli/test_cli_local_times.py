"""Times that people read are in the configured zone; those of programs have their offset."""

import json
import re
from pathlib import Path

import pytest

from tests.support.rows_factory import csv_text, row

CLI = Path(__file__).parents[2] / "worker" / "cli"
LOCAL = re.compile(r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d -05:30")
UTC_TIME = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d|\+00:00")


@pytest.fixture
def far_away(command):
    command.env["FEISHU_BATCH_TIME_ZONE"] = "-05:30"
    return command


@pytest.fixture
def some_work(far_away, ledger, tmp_path):
    path = tmp_path / "plan.csv"
    path.write_text(csv_text(row("1", after="x")))
    far_away("import", path)
    ledger.do_all()
    far_away.enqueue(1, intent_id="mine", after="y", expires_at="2099-01-31T18:00:00+08:00")
    ledger.do_all()
    far_away("pause", "--reason", "lunch")
    return path


@pytest.mark.parametrize(
    "args",
    [
        ("status",),
        ("watch", "--once"),
        ("show", "mine"),
        ("history", "--item", "1"),
        ("import", "FILE"),
        ("plan", "FILE", "--against-backlog"),
    ],
)
def test_a_person_reads_the_time_of_the_configured_zone(far_away, some_work, args):
    told = far_away(*(some_work if one == "FILE" else one for one in args)).stdout
    assert LOCAL.search(told), told
    assert not UTC_TIME.search(told), told


def test_a_program_reads_the_offset(far_away, some_work):
    told = far_away.json("show", "mine")
    assert told["enqueued_at"].endswith("+00:00")
    assert json.loads(far_away("status", "--json").stdout)["lanes"][0]["paused"]["since"].endswith("+00:00")


def test_no_command_prints_an_iso_time_for_people():
    """`iso` belongs to the functions that make JSON; `local_times.moment` is the one for people."""
    printing = re.compile(r"(print|Text|echo)\(.*\biso\(|f\".*\{iso\(|isoformat\(|strftime\(")
    found = [
        f"{path.name}: {line.strip()}"
        for path in sorted(CLI.glob("*.py"))
        if path.name not in {"local_times.py", "output.py"}
        for line in path.read_text(encoding="utf-8").splitlines()
        if printing.search(line)
    ]
    assert found == []
