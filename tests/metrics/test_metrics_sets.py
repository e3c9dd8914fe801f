"""Metrics of change sets: of few names, each for the newest set that is called so."""

import pytest

from feishu_batch.packing import PackedIntent
from tests.pipeline.intake_kit import wish
from tests.support.command import Ledger
from worker.metrics.sets import newest_of


@pytest.fixture
def ledger(redis, prefix):
    return Ledger(redis, prefix)


@pytest.fixture
def enqueue(ledger):
    def put(name, change_set, items=(1, 2)):
        ledger.inbox.enqueue(PackedIntent.of(wish(name, items, name, change_set=change_set)))

    return put


def test_a_set_is_open_until_it_has_ended(look, enqueue, ledger):
    enqueue("a", "crm")
    told = look(metrics_sets=["crm", "unknown"])
    assert told.value("set_open", set="crm") == 1
    assert told.value("set_changes", set="crm", state="pending") == 2
    assert told.by("set", "set_open") == {"crm": 1}
    began = told.value("set_enqueued_timestamp_seconds", set="crm")
    ledger.do_all({2: "Terminated"})
    told = look(metrics_sets=["crm"])
    assert told.value("set_open", set="crm") == 0
    assert told.by("state", "set_changes") == {"succeeded": 1, "failed": 1}
    assert told.value("set_enqueued_timestamp_seconds", set="crm") == began


def test_schedules_have_metrics_and_other_sets_have_none(look, enqueue, tmp_path):
    file = tmp_path / "schedule.toml"
    file.write_text('[[schedule]]\nname = "nightly"\ncron = "0 2 * * *"\ncommand = ["true"]\n')
    for number in range(200):
        enqueue(f"other-{number}", f"table-{number}")
    enqueue("old", "schedule:nightly:1790000000.000")
    enqueue("new", "schedule:nightly:1790086400.000", (1, 2, 3))
    told = look(schedule_file=file)
    assert told.by("set", "set_open") == {"schedule:nightly": 1}
    assert told.value("set_changes", set="schedule:nightly", state="pending") == 3


def test_a_faulty_schedule_file_ends_no_scrape(look, enqueue, tmp_path):
    file = tmp_path / "schedule.toml"
    file.write_text("no TOML")
    enqueue("a", "crm")
    assert look(schedule_file=file, metrics_sets=["crm"]).value("set_open", set="crm") == 1


@pytest.mark.parametrize(
    ("names", "known", "found"),
    [
        (["crm"], ["crm-2", "crm-1"], {"crm": "crm-2"}),
        (["crm"], ["crmx", "xcrm", "crm"], {"crm": "crm"}),
        (["crm", "crm-eu"], ["crm-eu:3", "crm-us:2"], {"crm": "crm-us:2", "crm-eu": "crm-eu:3"}),
        (["a"], ["b"], {}),
        ([], ["b"], {}),
    ],
)
def test_the_newest_of_a_name(names, known, found):
    assert newest_of(names, known) == found
