"""`export` over a real sandbox: a table that `import` takes again without a change."""

import json
from collections import Counter

import openpyxl
import pytest

from sandbox.process import SandboxProcess
from sandbox.world import DEMO_WORLD
from tests.support.report_rows import report_rows
from worker.catalogue.types import MODES

PLACE = ("--space", "demo", "--type", "story")
KINDS = ("csv", "jsonl", "xlsx")
DAY = 1_893_427_200_000  # 2030-01-01 in China
MORE_FIELDS = [
    ("field_000001", "Contact", "email", ()),
    ("field_000002", "Phone", "telephone", ()),
    ("field_000003", "Documents", "link_cloud_doc", ()),
    ("field_000004", "Span or day", "precise_date", ()),
    (
        "field_000005",
        "Areas",
        "tree_multi_select",
        ({"value": "a1", "label": "A", "children": [{"value": "b1", "label": "B"}]},),
    ),
    (
        "field_000006",
        "Twins",
        "multi_select",
        ({"value": "t1", "label": "twin"}, {"value": "t2", "label": "twin"}, {"value": "t3", "label": "x, y"}),
    ),
    ("field_000007", "type", "text", ()),
    ("field_000008", "Same", "text", ()),
    ("field_000009", "Same", "text", ()),
    ("field_00000a", "Roles", "role_owners", ()),
    ("field_00000b", "=1+1", "text", ()),
    ("field_00000c", "Sum", "text", ()),
]
TREE = {"value": "cmp_pay", "children": {"value": "cmp_pay_card", "children": None}}
HELD = {
    1001: {
        "field_a1b2c3": "1.10",
        "description": "**rich**",
        "field_0c9d1e": "two\nlines",
        "field_3f6a90": 0.1 + 0.2,
        "priority": {"value": "option_1"},
        "field_f5ed1b": {"value": "p0w3e8r5t"},
        "tags": [{"value": "n8d2k5j1h"}, {"value": "u5i8o2p6a"}],
        "field_b7c2d8": TREE,
        "owner": "7300000000000000002",
        "watchers": ["7300000000000000002", "7300000000000000003"],
        "field_d4e5f6": DAY,
        "field_9e8d7c": {"start_time": DAY, "end_time": DAY + 86_400_001},
        "field_5a4b3c": False,
        "field_2d1c0b": "https://example.com/a?b=1,2",
        "field_7f8e9d": 5001,
        "field_6c5b4a": [1002, 1003],
        "field_e0f1a2": [1004],
        "field_000001": "a@example.com",
        "field_000002": "+86 10",
        "field_000003": ["https://a.example.com", "https://b.example.com"],
        "field_000004": DAY + 3_600_000,
        "field_000005": [{"value": "a1", "children": {"value": "b1", "children": None}}],
        "field_000006": [{"value": "t1"}, {"value": "t3"}],
        "field_000007": "=1+1",
        "field_000008": "0012",
        "field_000009": 'said "no"',
        "field_00000a": [{"role": "PM", "owners": ["7300000000000000002"]}],
    },
    1002: {"field_3f6a90": 1_234_567_890_123, "field_a1b2c3": "-0", "field_d4e5f6": DAY + 1, "field_5a4b3c": True},
    1003: {
        "field_00000b": "x",
        "field_00000c": "=2+2",
        "field_a1b2c3": "@cmd",
        "field_3f6a90": -5,
        "field_000004": {"start_time": DAY, "end_time": DAY},
    },
    1004: {"field_a1b2c3": "#N/A", "tags": [{"value": "l3k6j9h2g"}], "field_0c9d1e": "   "},
    1005: {"field_a1b2c3": "line\r\nbreak", "field_000008": "[x]", "field_000009": '"5"'},
}
NOT_PROVABLE = {"multi_pure_text", "multi_text", "telephone", "link_cloud_doc", "role_owners"}


def world_of_everything():
    world = json.loads(DEMO_WORLD.read_text())
    demo = world["projects"][0]
    demo["fields"] += [
        {"field_key": key, "field_name": name, "field_type_key": kind, "options": list(options)}
        for key, name, kind, options in MORE_FIELDS
    ]
    demo["fields"][-1]["value_generate_mode"] = "Calculate"
    demo["items"] += [{"id": item, "values": values} for item, values in HELD.items()]
    return world


WORLD = world_of_everything()
FIELDS = {
    field["field_key"]: field["field_type_key"].replace("-", "_")
    for field in WORLD["projects"][0]["fields"]
    if not field.get("is_obsoleted")
    and field.get("value_generate_mode") != "Calculate"
    and field["field_type_key"] != "signal"
}


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    path = tmp_path_factory.mktemp("world") / "world.json"
    path.write_text(json.dumps(WORLD))
    with SandboxProcess(world=path, window=0.01) as sandbox:
        yield sandbox


@pytest.fixture
def export(run, everything, tmp_path):
    def to(output, *args, ids="1001-1005", exit_code=0, **settings):
        (tmp_path / "ids.txt").write_text(ids)
        args = ("export", *PLACE, "--ids", "ids.txt", "--output", output, "--json", *args)
        done = run(*args, **{"base_url": everything.base_url, **settings})
        assert done.exit_code == exit_code, done.output
        return json.loads(done.stdout)

    return to


def test_there_is_a_value_of_every_type_that_can_be_written():
    held = {key for values in HELD.values() for key in values}
    assert held >= set(FIELDS)
    assert set(FIELDS.values()) >= set(MODES)


@pytest.mark.parametrize("kind", KINDS)
def test_an_exported_table_is_imported_without_a_change(export, run, everything, tmp_path, kind):
    """Each cell means the value that is there: proven, or where nothing can be proven with the same words."""
    told = export(f"out.{kind}", "--fields", ",".join(FIELDS))
    done = run(
        "plan", f"out.{kind}", *PLACE, "--diff", "--report", "diff.jsonl", "--json", base_url=everything.base_url
    )
    found = report_rows(tmp_path / "diff.jsonl")
    assert json.loads(done.stdout)["rejected"] == []
    effects = Counter((one["effect"], FIELDS.get(one["field_key"]) in NOT_PROVABLE) for one in found)
    assert set(effects) == {("unchanged", False), ("not known", True)}
    assert [one for one in found if one["old"] != one["new"]] == []
    held = {(item, key) for item, values in HELD.items() for key in values if key in FIELDS}
    inherited = {(item, key) for item in HELD for key in ("priority", "tags", "owner")}
    not_exact = sum(column["not_exact"] for column in told["columns"])
    assert len(found) + not_exact == len(held | inherited)
    assert done.exit_code == 0


@pytest.mark.parametrize(
    ("kind", "not_exact"),
    [
        ("jsonl", {"Tags": 1}),
        ("csv", {"Release note": 2, "Tags": 1, "Remarks": 1}),
        ("xlsx", {"Release note": 2, "Tags": 1, "Remarks": 1}),
    ],
)
def test_a_value_that_no_cell_can_hold_is_left_empty_and_said(export, tmp_path, kind, not_exact):
    """An error of a spreadsheet as a text, a return without a line feed, only spaces, an option that is disabled."""
    told = export(f"out.{kind}", "--fields", "Release note,Tags,Remarks")
    assert {one["column"]: one["not_exact"] for one in told["columns"] if one["not_exact"]} == not_exact
    assert not report_rows(tmp_path / f"out.{kind}")[3].get("Tags")


def test_a_formula_is_no_formula(export, tmp_path):
    export("out.csv", "--fields", "field_000007,Release note")
    rows = report_rows(tmp_path / "out.csv")
    assert (rows[0]["field_000007"], rows[2]["Release note"]) == ('="=1+1"', '="@cmd"')
    export("out.csv", "--fields", "Sum,field_00000b")  # one that cannot be imported, and one with a name like a formula
    assert report_rows(tmp_path / "out.csv")[2] == {"work_item_id": "1003", "Sum": "'=2+2", "field_00000b": "x"}
    export("out.xlsx", "--fields", "field_000007")
    sheet = openpyxl.load_workbook(tmp_path / "out.xlsx").active
    assert {cell.data_type for row in sheet.iter_rows() for cell in row} <= {"s", "n"}
    assert sheet["B2"].value == "=1+1"


def test_columns_have_the_names_that_an_import_takes_for_the_fields(export, tmp_path):
    told = export("out.csv", "--fields", "Priority,due_date,field_000007,field_000008")
    names = [column["column"] for column in told["columns"]]
    assert names == ["Priority", "Due date", "field_000007", "field_000008"]  # "type" and "Same" mean something else
    assert list(report_rows(tmp_path / "out.csv")[0]) == ["work_item_id", *names]


def test_columns_that_cannot_be_imported_are_said_with_the_way(export, run, everything):
    told = export("out.csv", "--fields", "Priority,Cost,Description")
    reasons = {column["column"]: column["not_for_import"] for column in told["columns"]}
    assert (reasons["Priority"], "calculated" in reasons["Cost"], "formatting" in reasons["Description"]) == (
        None,
        True,
        True,
    )
    assert told["import"] == "feishu-batch import out.csv --space demo --type story --ignore Cost --ignore Description"
    assert run(*told["import"].split()[1:], base_url=everything.base_url).exit_code == 0


def test_without_fields_there_are_only_ids_and_nothing_is_read(export, tmp_path, everything):
    before = everything.report()["answers"].get("work_item_query:0", 0)
    told = export("out.csv", ids="ID\n1003\n#1001, 1001\nhttps://project.feishu.cn/demo/story/detail/1002\n")
    assert report_rows(tmp_path / "out.csv") == [{"work_item_id": one} for one in ("1003", "1001", "1002")]
    assert (told["items"], told["requests"], told["import"]) == (3, 0, None)
    assert everything.report()["answers"].get("work_item_query:0", 0) == before


def test_items_that_do_not_exist_and_fields_that_are_hidden_are_said(export, everything, tmp_path):
    everything.set_faults("hide_field=1.0,field=priority")
    told = export("out.csv", "--fields", "Priority,Owner", ids="1001 77 1002", exit_code=1)
    everything.clear_faults()
    assert (told["missing_count"], told["missing"], told["written"]) == (1, [77], 2)
    assert [column["left_out"] for column in told["columns"]] == [2, 0]
    assert [row["Priority"] for row in report_rows(tmp_path / "out.csv")] == ["", ""]


def test_where_nothing_can_be_read_nothing_is_written(export, everything, tmp_path):
    (tmp_path / "out.csv").write_text("as it was")
    everything.set_faults("work_item_query:refuse=1.0,code=30014")
    told = export("out.csv", "--fields", "Priority", exit_code=3)
    everything.clear_faults()
    assert told["error"].startswith("the work items could not be read: ")
    assert (tmp_path / "out.csv").read_text() == "as it was"


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--ids", "ids.txt", "--view", "x", "--output", "o.csv"), "one of the three"),
        (("--output", "o.csv"), "one of the three"),
        (("--ids", "none.txt", "--output", "o.csv"), "No such file"),
        (("--ids", "ids.txt", "--output", "o.docx"), "must end with"),
        (("--ids", "ids.txt", "--output", "ids.csv", "--fields", "Prioritty"), "the nearest is 'Priority'"),
        (("--ids", "ids.txt", "--output", "o.csv", "--fields", "Priority,priority"), "named twice"),
        (("--ids", "bad.txt", "--output", "o.csv"), "line 2: 'many' is not a work item id"),
        (("--ids", "empty.txt", "--output", "o.csv"), "no work items"),
        (("--view", "nosuch", "--output", "o.csv"), "the view nosuch cannot be read"),
        (("--view", "https://project.feishu.cn/demo", "--output", "o.csv"), "not the address of a view"),
    ],
)
def test_wrong_use_is_one_clear_line_and_writes_nothing(run, everything, tmp_path, args, words):
    (tmp_path / "ids.txt").write_text("1001\n")
    (tmp_path / "bad.txt").write_text("1001\nmany\n")
    (tmp_path / "empty.txt").write_text("\n")
    wrong = run("export", *PLACE, *args, base_url=everything.base_url)
    assert wrong.exit_code == 2, wrong.output
    assert words in wrong.stderr
    assert not (tmp_path / "o.csv").exists()


# --- views ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("view", ["kPxLwq7Hg", "https://project.feishu.cn/demo/storyView/kPxLwq7Hg?quickFilterId=1"])
def test_all_items_of_a_view_are_exported(run, everything, tmp_path, view):
    args = ("--view", view, "--fields", "Priority", "--output", "out.xlsx")
    done = run("export", *PLACE, *args, base_url=everything.base_url)
    assert done.exit_code == 0, done.output
    assert "items      250 of 250 of the view Sprint 12" in done.stdout
    assert "read       5 requests" in done.stdout
    assert "import     feishu-batch import out.xlsx --space demo --type story" in done.stdout
    assert [row["work_item_id"] for row in report_rows(tmp_path / "out.xlsx")] == list(range(1001, 1251))


def test_items_of_another_type_in_a_view_are_said(run, everything):
    args = ("--view", "tR4sWn2Zd", "--fields", "Priority", "--output", "out.csv")
    done = run("export", *PLACE, *args, base_url=everything.base_url)
    assert done.exit_code == 1
    assert "missing    3 items of this type that the remote system does not show: 5001, 5002, 5013" in done.stdout


def test_the_items_of_a_change_set_are_exported(run, everything, tmp_path):
    """Also those that are still in the inbox; not those of another type."""
    (tmp_path / "sprint.csv").write_text("ID,Priority\n1003,P0\n1001,P1\n1003,P0\n")
    base = {"base_url": everything.base_url}
    assert run("import", "sprint.csv", *PLACE, "--import-id", "sprint-7", **base).exit_code == 0
    bug = {"project_key": "5f0c1a2b3c4d5e6f70818283", "work_item_type_key": "issue", "work_item_ids": [5001]}
    change = {**bug, "field_key": "priority", "update_mode": "UPDATE", "after_field_value": None}
    assert run("enqueue", "--json", json.dumps({**change, "change_set": "sprint-7"}), **base).exit_code == 0
    done = run("export", *PLACE, "--change-set", "sprint-7", "--fields", "Priority", "--output", "now.jsonl", **base)
    assert done.exit_code == 0, done.output
    assert report_rows(tmp_path / "now.jsonl") == [
        {"work_item_id": 1003, "Priority": "P2"},
        {"work_item_id": 1001, "Priority": "P1"},
    ]
    ids = run("export", *PLACE, "--change-set", "sprint-7", "--output", "ids.csv", **base)
    assert ids.exit_code == 0
    assert len((tmp_path / "ids.csv").read_text().split()) == 3


@pytest.mark.parametrize(
    ("args", "why"),
    [
        (("--change-set", "nosuch"), "no change set is called"),
        (("--change-set", "x", "--ids", "ids.txt"), "one of the three"),
        ((), "one of the three"),
    ],
    ids=["unknown", "two of them", "none of them"],
)
def test_a_change_set_that_cannot_be_exported_is_refused(run, everything, tmp_path, args, why):
    (tmp_path / "ids.txt").write_text("1001")
    done = run("export", *PLACE, *args, "--output", "out.csv", base_url=everything.base_url)
    assert (done.exit_code, why in done.output) == (2, True), done.output
    assert not (tmp_path / "out.csv").exists()
