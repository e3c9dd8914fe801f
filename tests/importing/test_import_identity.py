"""A row is known again by what it says, wherever it stands."""

import json

import pytest

from tests.support.rows_factory import csv_text, row

A, B, C = (row(str(1000 + number), after=f"value {number}") for number in range(3))


@pytest.fixture
def again(command, tmp_path):
    """Import these rows under one name; what the command counts."""

    def run(*rows):
        path = tmp_path / "weekly.csv"
        path.write_text(csv_text(*rows))
        told = json.loads(command("import", path, "--import-id", "weekly", "--json").stdout)
        return {name: told[name] for name in ("enqueued", "known", "repeated", "rejected_count") if told[name]}

    return run


@pytest.mark.parametrize("place", [0, 1, 2, 3])
def test_an_inserted_row_sends_one_row(again, place):
    rows = [A, B, C]
    assert again(*rows) == {"enqueued": 3}
    rows.insert(place, row("1099"))
    assert again(*rows) == {"enqueued": 1, "known": 3}


@pytest.mark.parametrize("rows", [(C, B, A), (A, C), (B,)])
def test_rows_that_moved_or_were_deleted_send_nothing(again, rows):
    again(A, B, C)
    assert again(*rows) == {"known": len(rows)}


def test_a_changed_row_is_a_new_one(again):
    again(A, B)
    assert again(A, row("1001", after="another value")) == {"enqueued": 1, "known": 1}


def test_equal_rows_are_each_sent_and_known_by_their_number(again):
    add = row("1001", mode="APPEND", after='["x"]')
    assert again(add, add) == {"enqueued": 2}
    assert again(A, add, add) == {"enqueued": 1, "known": 2}
    assert again(add, A, add, add) == {"enqueued": 1, "known": 3}


@pytest.mark.parametrize("kind", ["csv", "jsonl", "xlsx"])
def test_equal_rows_have_different_ids_in_every_format(command, tmp_path, kind):
    path = tmp_path / f"same.{kind}"
    if kind == "csv":
        path.write_text(csv_text(A, A, A))
    elif kind == "jsonl":
        names = csv_text().strip().split(",")
        one = {**dict(zip(names, A, strict=True)), "work_item_ids": [1000]}
        path.write_text("\n".join([json.dumps(one)] * 3))
    else:
        openpyxl = pytest.importorskip("openpyxl")
        book = openpyxl.Workbook()
        for line in [csv_text().strip().split(","), A, A, A]:
            book.active.append(line)
        book.save(path)
    assert json.loads(command("import", path, "--json").stdout)["enqueued"] == 3
    assert json.loads(command("import", path, "--json").stdout)["known"] == 3
