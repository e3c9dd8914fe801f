"""Why rows were rejected: together, with no rare reason behind a frequent one."""

import json

import pytest

from tests.support.rows_factory import csv_text, row
from worker.cli.import_report import VARIANTS
from worker.operating.reasons import MOST_KINDS, NAMED, OTHER, ReasonGroups, without_values

FREQUENT = [row("7", mode="OVERWRITE")] * 400
RARE = [row("x"), row("7", mode="REPLACE"), [*row("7"), "too many cells"], row("0")]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "plan.csv"
    path.write_text(csv_text(*FREQUENT[:390], *RARE, *FREQUENT[390:]))
    return path


@pytest.mark.parametrize("args", [("plan",), ("import",), ("import", "--strict")])
def test_four_hundred_equal_rows_hide_no_other(command, file, args):
    result = command(*args, file)
    told = result.stdout + result.stderr
    assert "2, 3, 4, 5, 6 … and 395 more" in told
    for line, word in zip(
        range(392, 396), ("'x' is not a work item id", "REPLACE needs", "7 cells", "work_item_ids"), strict=True
    ):
        assert any(str(line) in one and word in one for one in told.splitlines()), (line, word)


@pytest.mark.parametrize("name", ["plan", "import"])
def test_json_has_the_groups_and_the_first_rows(command, file, name):
    told = json.loads(command(name, file, "--json").stdout)
    assert told["rejected_count"] == 404
    frequent, *rare = told["rejected_groups"]
    assert (frequent["count"], frequent["lines"]) == (400, list(range(2, 2 + NAMED)))
    assert sorted(line for one in rare for line in one["lines"]) == [392, 393, 394, 395]
    assert len(told["rejected"]) == 404


def test_reasons_that_differ_in_values_only_are_counted_together_after_the_first(command, tmp_path):
    path = tmp_path / "plan.csv"
    path.write_text(csv_text(*(row(f"item{number}") for number in range(100)), row("7", mode="OVERWRITE")))
    groups = json.loads(command("plan", path, "--json").stdout)["rejected_groups"]
    assert len(groups) == VARIANTS + 2
    assert groups[0]["count"] == 100 - VARIANTS
    assert groups[0]["reason"] == "work_item_ids: … is not a work item id (such as 'item3')"
    assert {"count": 1, "lines": [102]}.items() <= next(g for g in groups if "update_mode" in g["reason"]).items()


def test_a_value_that_all_reasons_of_a_group_share_is_kept():
    groups = ReasonGroups(variants=0)
    for word in ("#REF!", "#REF!"):
        groups.add(None, f'the cell shows "{word}"; to send it: {{"$text": "…"}}', 1)
    [group] = groups.groups()
    assert group.reason == 'the cell shows "#REF!"; to send it: {"$text": "…"}'
    groups.add(None, 'the cell shows "#N/A"; to send it: {"$text": "…"}', 1)
    [group] = groups.groups()
    assert group.reason == 'the cell shows …; to send it: {"$text": "…"} (such as "#REF!")'
    assert group.count == 3


def test_joined_groups_keep_only_what_both_share():
    groups, others = ReasonGroups(variants=0), ReasonGroups(variants=0)
    for into, words in ((groups, ("a", "b")), (others, ("c", "d"))):
        for word in words:
            into.add("x", f"“P” has no option “{word}”", word)
    groups.join(others)
    [group] = groups.groups()
    assert (group.reason, group.count) == ("“P” has no option … (such as “a”)", 4)
    assert group.items == ["a", "b", "c", "d"]


def test_a_file_that_is_wrong_in_a_thousand_ways_stays_bounded():
    groups = ReasonGroups()
    for number in range(3 * MOST_KINDS):
        word = "".join(chr(97 + int(digit)) for digit in str(number))
        groups.add(None, f"the reason {word}", number)
    found = groups.groups()
    assert len(found) == MOST_KINDS + 1
    assert (found[0].reason, found[0].count) == (OTHER, 2 * MOST_KINDS)
    assert groups.count() == 3 * MOST_KINDS


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        (
            "Priority has no option “P9”; the nearest is “P0” (option_0)",
            "Priority has no option …; the nearest is … (…)",
        ),
        ('update_mode: must be one of these (got "x")', "update_mode: must be one of these …"),
        ("work_item_ids: 'a b' is not a work item id", "work_item_ids: … is not a work item id"),
        ("the field's value isn't known", "the field's value isn't known"),
    ],
)
def test_values_are_what_reasons_of_a_kind_differ_in(reason, kind):
    assert without_values(reason) == kind
