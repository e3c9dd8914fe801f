"""What `plan` and `import` say about a file besides its rows, and what a user chooses for hidden and empty ones."""

import json

import pytest

from tests.importing.books import book, cells, saved
from tests.support.rows_factory import HEADER, PROJECT, csv_text, row

EMPTY_ROWS = {
    "csv": csv_text(row("1"), row("2", after=""), row("3", after=" "), row("4", after="\u00a0"), row("5", after="[]")),
    "jsonl": "\n".join(
        json.dumps(dict(zip(HEADER, [PROJECT, "story", [n], "priority", "UPDATE", after], strict=True)))
        for n, after in enumerate(["x", None, "", " "], start=1)
    ),
}


@pytest.fixture
def path(tmp_path):
    def write(name, content):
        place = tmp_path / name
        place.write_bytes(content.encode() if isinstance(content, str) else content)
        return place

    return write


def workbook(*rows, change=lambda made: None):
    made = book(*rows)
    change(made)
    return saved(made).getvalue()


def empties():
    return workbook(cells(1, "x"), cells(2, None), cells(3, " "), cells(4, '""', field="other"))


@pytest.mark.parametrize("name", ["plan", "import"])
def test_rows_that_clear_a_field_are_reported_in_a_line_of_their_own(command, ledger, path, name):
    printed = command(name, path("a.xlsx", empties())).stdout
    [line] = [line for line in printed.splitlines() if line.startswith("clears ")]
    verb = "would clear a field" if name == "plan" else "clear a field"
    assert f"3 rows {verb}: note (2 rows: lines 3–4); other (1 row: line 5)" in line
    assert ("--empty skip" in line) is (name == "plan")


def test_a_plan_tells_a_program_which_lines_clear_which_field(command, ledger, path):
    for name in ("plan", "import"):
        document = json.loads(command(name, path("a.xlsx", empties()), "--json").stdout)
        assert document["clears_count"] == 3
        assert document["clears"] == [
            {"field": "note", "rows": 2, "lines": [3, 4]},
            {"field": "other", "rows": 1, "lines": [5]},
        ]


def test_the_lines_that_are_named_are_few_and_the_count_is_whole(command, ledger, path):
    content = csv_text(*[row(str(n), after="") for n in range(1, 101)])
    printed = command("plan", path("a.csv", content)).stdout
    assert "100 rows would clear a field: priority (100 rows: lines 2–21 and 80 more)" in printed


def test_a_file_that_clears_nothing_has_no_such_line(command, ledger, path):
    assert "\nclears" not in command("plan", path("a.csv", csv_text(row("1")))).stdout


@pytest.mark.parametrize(("name", "clears"), [("a.csv", 4), ("a.jsonl", 3), ("a.xlsx", 3)])
@pytest.mark.parametrize("piped", [False, True])
def test_an_empty_value_means_what_the_user_chose_in_every_format(command, ledger, path, name, clears, piped):
    kind = name.rpartition(".")[2]
    content = empties() if kind == "xlsx" else EMPTY_ROWS[kind].encode()
    file = path(name, content)

    def planned(choice):
        given = ["-", "--format", kind] if piped else [file]
        told = command("plan", *given, "--empty", choice, "--json", input=content if piped else None)
        found = json.loads(told.stdout)
        return (
            found["enqueued"],
            found["clears_count"],
            found["rejected_count"],
            found["noticed"]["empty_skipped"]["rows"],
        )

    rows = 1 + clears
    explicit = 0 if kind == "jsonl" else 1  # an empty list, or quotes around nothing, is no empty cell
    assert planned("clear") == (rows, clears, 0, 0)
    assert planned("skip") == (1 + explicit, explicit, 0, clears - explicit)
    assert planned("reject") == (1 + explicit, explicit, clears - explicit, 0)


def test_a_file_whose_rows_are_all_left_out_is_reported_so(command, ledger, path):
    told = command("import", path("a.csv", csv_text(row("1", after=""), row("2", after=""))), "--empty", "skip")
    assert told.exit_code == 0
    assert "2 rows without a value are skipped (--empty skip): lines 2–3" in told.stdout
    assert ledger.inbox.length() == 0


def hidden(made):
    made.active.row_dimensions[3].hidden = True


def test_hidden_rows_refuse_the_file_at_every_command_that_enqueues_or_plans(command, ledger, path):
    file = path("a.xlsx", workbook(cells(1, "x"), cells(2, "y"), change=hidden))
    for words in (["plan", file], ["import", file], ["import", file, "--strict"]):
        told = command(*words)
        assert told.exit_code == 2
        assert "1 row is hidden (line 3)" in told.stderr
    assert ledger.inbox.length() == 0


@pytest.mark.parametrize(("choice", "count"), [("include", 2), ("skip", 1), ("reject", 1)])
def test_cancel_needs_no_word_about_hidden_rows(command, ledger, path, choice, count):
    """What was enqueued is known by the rows' ids, whichever rows were."""
    file = path("a.xlsx", workbook(cells(1, "x"), cells(2, "y"), change=hidden))
    told = command("cancel", "--file", file, "--yes")
    assert (told.exit_code, "no row of this file was enqueued here" in told.stderr) == (2, True)
    command("import", file, "--hidden", choice)
    ledger.take_in()
    assert command.json("cancel", "--file", file, "--yes")["intents"] == count


@pytest.mark.parametrize(("choice", "count"), [("include", 2), ("skip", 1), ("reject", 1)])
def test_what_was_imported_of_hidden_rows_is_reported_and_canceled_alike(command, ledger, path, choice, count):
    file = path("a.xlsx", workbook(cells(1, "x"), cells(2, "y"), change=hidden))
    told = command("import", file, "--hidden", choice)
    assert told.exit_code == (1 if choice == "reject" else 0)
    assert {"include": "1 hidden row is included", "skip": "1 hidden row is skipped", "reject": "the row is hidden"}[
        choice
    ] in told.stdout
    assert ledger.inbox.length() == count
    ledger.take_in()
    assert command.json("cancel", "--file", file, "--hidden", choice, "--yes")["intents"] == count


def test_sheets_that_are_not_read_are_reported_before_and_after(command, ledger, path):
    file = path("a.xlsx", workbook(cells(1, "x"), change=lambda made: made.create_sheet("Team B")))
    for name in ("plan", "import"):
        printed = command(name, file).stdout
        assert "sheet      Plan; other sheets not read: Team B (--sheet NAME)" in printed
        assert json.loads(command(name, file, "--json").stdout)["noticed"]["other_sheets"] == ["Team B"]


def test_merged_rows_are_reported(command, ledger, path):
    file = path("a.xlsx", workbook(cells(1, "x"), cells(2, "y"), change=lambda made: made.active.merge_cells("F2:F3")))
    printed = command("plan", file).stdout
    assert "1 row takes the value of a merged cell: line 3" in printed


def test_options_about_a_file_need_one(command, ledger):
    for words in (["--hidden", "skip"], ["--encoding", "gb18030"]):
        assert "need --file" in command("cancel", "x", *words).stderr
