"""A schedule takes tables: from a file, and as JSON Lines from a command."""

import json
import sys

import pytest

from config.schedules import ScheduleEntry
from tests.support.rows_factory import PROJECT
from worker.importing.row import Rejected
from worker.importing.table import Table
from worker.importing.wide.fields import UnknownFields
from worker.scheduling.runner import rows_of

LINES = [{"work_item_id": 1, "a": "x", "note": "y"}, {"work_item_id": 2, "a": "x", "b": None}, {"a": "x"}]
OPTIONS = {"space": PROJECT, "type": "story", "ignore": ["note"], "fields": {"a": "field_a1b2c3"}}


def read(**work):
    entry = ScheduleEntry(name="sync", every="1h", **work)
    table = Table(fields=lambda: UnknownFields("nothing", str.islower))
    with rows_of(entry, 1.0, table) as rows:
        found = list(rows)
    good = [row.intent for row in found if not isinstance(row, Rejected)]
    return [(i.field_key, i.after_field_value, i.work_item_ids, i.priority) for i in good], len(found) - len(good)


def test_a_command_may_print_rows_of_a_table():
    program = f"print({chr(10).join(map(json.dumps, LINES))!r})"
    assert read(command=[sys.executable, "-c", program], **OPTIONS) == ([("field_a1b2c3", "x", (1, 2), 3)], 1)


def test_a_file_may_be_a_table(tmp_path):
    path = tmp_path / "sync.csv"
    path.write_text("weekly\nID,a,note\n1,x,y\n2,,y\n")
    told = read(file=path, header_row=2, empty="clear", **OPTIONS)
    assert told == ([("field_a1b2c3", "x", (1,), 3), ("field_a1b2c3", None, (2,), 3)], 0)


@pytest.mark.parametrize("named", [None, "theirs"])
def test_a_run_is_a_change_set_unless_a_line_of_its_command_names_one(named):
    line = {
        "project_key": PROJECT,
        "work_item_type_key": "story",
        "work_item_ids": [1],
        "field_key": "priority",
        "update_mode": "UPDATE",
        "after_field_value": 1,
        **({"change_set": named} if named else {}),
    }
    entry = ScheduleEntry(name="s" * 40, every="1h", command=[sys.executable, "-c", f"print({json.dumps(line)!r})"])
    with rows_of(entry, 1_795_489_200.0) as rows:
        [row] = rows
    assert row.intent.change_set == (named or f"schedule:{'s' * 40}:1795489200.000")


def test_an_intent_has_no_columns_and_the_priority_of_a_schedule():
    intent = {
        "project_key": PROJECT,
        "work_item_type_key": "story",
        "work_item_ids": [1],
        "field_key": "priority",
        "update_mode": "UPDATE",
        "after_field_value": None,
    }
    assert ScheduleEntry(name="one", every="1h", intent=intent).intent.priority == 3
    assert ScheduleEntry(name="one", every="1h", intent={**intent, "priority": 7}).intent.priority == 7
    with pytest.raises(ValueError, match="space is only for a file or a command"):
        ScheduleEntry(name="one", every="1h", intent=intent, space=PROJECT)
