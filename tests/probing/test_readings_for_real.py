"""Each reading is recognised: a probe over HTTP, against a sandbox with the switch for it."""

import pytest

from tests.probing.conftest import BEFORE, probe
from worker.operating.probing.every import NAMES
from worker.operating.probing.readings import Sureness

STALE = "work_item_query:stale_read=1.0,seconds=0.3"  # 1 s of these tests

# (reading, the sandbox's options, finding)
CASES = [
    ("single_updates", {}, "allowed"),
    *(("single_updates", {"put_access": access}, "refused") for access in ("10301", "10404", "404", "405")),
    ("reads", {}, "current"),
    ("reads", {"faults": (STALE,)}, "behind"),
    ("empty_field", {}, "shown"),
    ("empty_field", {"cleared": "absent"}, "left_out"),
    ("empty_field", {"put_access": "404"}, "shown"),
    ("clearing", {}, "null_clears"),
    ("clearing", {"clears_with": "text,list"}, "null_does_not_clear"),
    ("bad_field", {}, "refuse_all"),
    ("bad_field", {"put_bad_field": "prefix"}, "prefix"),
    ("bad_field", {"put_bad_field": "drop"}, "drop"),
    ("bad_field", {"put_bad_field": "drop", "faults": (STALE,)}, "drop"),
    ("same_value", {}, "moves"),
    ("same_value", {"same_value": "nothing"}, "stays"),
    ("single_uuid", {}, "rejected"),
    ("single_uuid", {"put_uuid": "replayed"}, "replayed"),
    ("single_uuid", {"put_uuid": "ignored"}, "ignored"),
    ("batch_uuid", {}, "rejected"),
    ("batch_uuid", {"batch_uuid": "replayed"}, "replayed"),
    ("batch_uuid", {"batch_uuid": "ignored"}, "ignored"),
    ("append_present", {}, "unchanged"),
    ("append_present", {"append_present": "doubles"}, "doubled"),
    ("new_job", {}, "known"),
    ("new_job", {"job_hidden": 0.5}, "hidden"),
    ("lost_update", {}, "none_lost"),
    ("lost_update", {"put_writes": "item", "put_seconds": 0.2}, "lost"),
]


@pytest.mark.parametrize(("name", "options", "finding"), CASES, ids=str)
def test_a_reading_is_recognised_and_the_values_are_put_back(prober, name, options, finding):
    sandbox, run = prober(**options)
    found, result = probe(run, name, first="put_access" in options or "faults" in options)
    assert (found[name].finding, result.stopped) == (finding, ""), found[name].in_words()
    assert found[name].sureness is not Sureness.UNCLEAR
    assert {item: {key: fields[key] for key in BEFORE[item]} for item, fields in sandbox.values().items()} == BEFORE


@pytest.mark.parametrize(("name", "option"), [("single_uuid", "put_uuid"), ("batch_uuid", "batch_uuid")])
def test_how_long_a_uuid_is_known_is_recognised(prober, name, option):
    _, run = prober(uuid_seconds=1.2, **{option: "rejected"})
    reading = probe(run, name)[0][name]
    assert reading.finding == "rejected"
    assert reading.details["forgotten_after"] > 1.2 / 0.3


def test_reads_that_are_behind_say_by_how_much(prober):
    _, run = prober(faults=(STALE,))
    details = probe(run, "reads")[0]["reads"].details
    assert 1.0 <= details["behind_seconds"] <= 3.0


def test_a_plugin_without_single_updates_is_probed_by_batches(prober):
    _, run = prober(put_access="405")
    found, _ = probe(run)
    refused = [name for name, one in found.items() if one.finding == "not_settled"]
    assert refused == ["bad_field", "single_uuid", "lost_update", "single_limit"]
    assert all("single updates are refused" in found[name].words for name in refused)
    assert found.keys() == set(NAMES)
