"""`import` of a file whose intents are forgotten: said before it is done again."""

import pytest

from tests.importing.test_import_sheet import cells, workbook
from tests.support.rows_factory import csv_text, row
from worker.ledger.import_log import MOST, SAMPLE, ImportLog
from worker.pipeline.sweep import LaneSweep

DAY = 86_400
FIVE = [row(str(item)) for item in range(1, 6)]


@pytest.fixture
def file(tmp_path):
    def write(*rows):
        path = tmp_path / "plan.csv"
        path.write_text(csv_text(*rows))
        return path

    return write


@pytest.fixture
def forget(ledger):
    """As the sweep does when the time to keep intents has run out."""

    class Hints:
        def __getattr__(self, _):
            return lambda *_: None

    def forget_ended():
        LaneSweep(inbox=ledger.inbox, lane=ledger.lane, hints=Hints(), retain_succeeded=0, retain_failed=0).run()

    return forget_ended


@pytest.fixture
def older(redis, ledger):
    """Moves the first run of all imports into the past."""

    def by(days):
        facts = ledger.inbox.keys.import_facts
        for name, value in redis.hgetall(facts).items():
            if name.endswith(":first"):
                redis.hset(facts, name, int(value) - days * DAY)

    return by


def test_a_file_whose_intents_are_forgotten_is_refused_with_what_it_would_do(command, ledger, file, forget, older):
    path = file(*FIVE)
    command("import", path)
    ledger.do_all()
    forget()
    older(8)
    again = command("import", path)
    assert again.exit_code == 2
    assert "this file was imported on 2" in again.stderr
    assert "5 intents of it are forgotten" in again.stderr
    assert "importing it again would write 5 rows again, over what came later" in again.stderr
    assert "give it a new --import-id. Nothing was enqueued." in again.stderr
    assert ledger.inbox.length() == 0


def test_a_new_import_id_does_it_all_again(command, ledger, file, forget, older):
    path = file(*FIVE)
    command("import", path)
    ledger.do_all()
    forget()
    older(8)
    assert command("import", path, "--import-id", "second").exit_code == 0
    assert ledger.inbox.length() == 5


def test_workers_that_keep_intents_for_a_shorter_time_make_no_difference(command, ledger, file, forget):
    path = file(*FIVE)
    command("import", path)
    ledger.do_all()
    forget()
    assert command("import", path).exit_code == 2


def test_part_of_it_forgotten_is_as_bad(command, ledger, file, forget, older):
    path = file(*FIVE)
    command("import", path)
    ledger.take_in()
    while ledger.lane.counts().ready_groups:
        batch = ledger.claim()
        ledger.settle(batch, {1: "refused"} if 1 in batch.items else {})
    forget_only_succeeded(ledger)
    older(8)
    again = command("import", path)
    assert (again.exit_code, "4 intents of it are forgotten" in again.stderr) == (2, True), again.output
    assert "would write 4 rows again" in again.stderr


def forget_only_succeeded(ledger):
    old = ledger.lane.forgettable("succeeded", 0, 100)
    ledger.inbox.forget(old)
    ledger.lane.forget([number for number, _ in old])


def test_an_import_that_was_cut_off_goes_on_however_late(command, ledger, file, older, redis):
    """Three of its five rows were enqueued, and all three are still known."""
    path = file(*FIVE)
    command("import", file(*FIVE[:3]), "--import-id", "the-same")
    older(8)
    late = command("import", file(*FIVE), "--import-id", "the-same")
    assert late.exit_code == 0, late.output
    assert "2 enqueued, 3 enqueued by an earlier run" in late.stdout
    assert path.exists()


def test_other_rows_under_a_name_of_ones_own_are_another_import(command, ledger, file):
    command("import", file(*FIVE), "--import-id", "nightly")
    assert command("import", file(row("77")), "--import-id", "nightly").exit_code == 0
    assert ledger.inbox.length() == 6


def test_a_file_of_every_night_under_one_name_goes_on_after_a_week(command, ledger, file, older):
    """The rows that changed are in it no more: they are not forgotten, they are gone."""
    command("import", file(*FIVE), "--import-id", "nightly")
    command("import", file(row("6"), *FIVE[1:]), "--import-id", "nightly")
    older(8)
    late = command("import", file(row("7"), *FIVE[1:]), "--import-id", "nightly")
    assert late.exit_code == 0, late.output
    assert "1 enqueued, 4 enqueued by an earlier run" in late.stdout


def test_rows_of_a_name_of_ones_own_that_are_forgotten_are_not_written_again(command, ledger, file, forget, older):
    command("import", file(*FIVE), "--import-id", "nightly")
    ledger.do_all()
    forget()
    command("import", file(row("6")), "--import-id", "nightly")
    older(8)
    again = command("import", file(row("6"), row("7"), *FIVE[1:]), "--import-id", "nightly")
    assert again.exit_code == 2
    assert "rows of it were imported with this --import-id since 2" in again.stderr
    assert "importing it again would write 5 rows, at least 4 of them again, over what came later" in again.stderr
    assert "give it a new --import-id. Nothing was enqueued." in again.stderr
    assert ledger.inbox.length() == 1


@pytest.mark.parametrize("days", [0, 8])
def test_another_sheet_of_a_workbook_is_another_import(command, ledger, tmp_path, forget, older, days):
    path = tmp_path / "plan.xlsx"
    path.write_bytes(workbook(cells(1, "x"), others=[("Second", [cells(2, "x")])]).getvalue())
    command("import", path)
    ledger.do_all()
    forget()
    older(days)
    assert command("import", path, "--sheet", "Second").exit_code == 0
    again = command("import", path, "--sheet", "Plan")
    assert (again.exit_code, "1 intent of it is forgotten" in again.stderr) == (2, True)


def test_plan_says_it_before(command, ledger, file, forget, older):
    path = file(*FIVE)
    command("import", path)
    ledger.do_all()
    forget()
    older(8)
    plan = command("plan", path, "--against-backlog")
    assert plan.exit_code == 1
    assert "`import` refuses this file: this file was imported on" in plan.stdout


def test_imports_are_remembered_for_a_bounded_time_and_number(redis, prefix, monkeypatch):
    log = ImportLog(redis, prefix, keep=100)
    log.add("a", ["1", "2", "3"])
    log.add("a", ["4", "5"])
    assert log.find("a").rows == 5
    assert log.find("b") is None
    short = ImportLog(redis, prefix, keep=-10)  # all others are over
    short.add("b", ["1"])
    assert (short.find("a"), short.find("b").rows) == (None, 1)
    monkeypatch.setattr("worker.ledger.import_log.MOST", 2)
    for name in "cdef":
        log.add(name, ["1"])
    assert sum(log.find(name) is not None for name in "bcdef") <= 3
    assert log.find("f").rows == 1
    assert MOST == 10_000
    assert len(redis.hkeys(log._facts)) <= 9  # three facts of each


def test_a_sample_of_the_rows_is_remembered_whatever_their_order_and_run(redis, prefix):
    ids = [f"import-{number}" for number in range(1000)]
    log = ImportLog(redis, prefix, keep=100)
    log.add("at once", ids)
    for start in range(900, -100, -100):
        log.add("by and by", ids[start : start + 100])
    found = log.find("at once")
    assert len(found.sample) == SAMPLE
    assert log.find("by and by").sample == found.sample
    assert sum(found.certainly_wrote(one) for one in ids) == SAMPLE
    assert not any(found.certainly_wrote(f"other-{number}") for number in range(1000))
