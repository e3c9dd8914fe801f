"""What observations mean, without sending anything; and which settings fit."""

import re
from pathlib import Path

import pytest

from worker.operating.probing import (
    access,
    append_present,
    bad_field,
    batch_window,
    clearing,
    early_poll,
    empty_field,
    freshness,
    lost_update,
    repeated_uuid,
    request_limit,
    same_value,
)
from worker.operating.probing.bad_field import BadFieldTry
from worker.operating.probing.every import FIRST, NAMES, STEPS, chosen_steps
from worker.operating.probing.fitting import as_env_file, settings_that_fit
from worker.operating.probing.originals import originals
from worker.operating.probing.place import MULTI, TYPES, TrialField, trial_field
from worker.operating.probing.readings import NOT_SETTLED, Sureness
from worker.operating.probing.request_limit import AFTER, AT_ONCE, LimitSeen, Shot
from worker.operating.probing.sent import Sent
from worker.remote.errors import BatchRefused, LaneStopped
from worker.remote.models import Field, Option, WorkItem

PAGE = (Path(__file__).parents[2] / "docs/probe.md").read_text()
POINTS = TrialField("field_x", "number", (1, 2))


def said(reading):
    return reading.finding, reading.sureness.value


def a_try(*, good_first=True, accepted=False, good=False, unchanged=True):
    return BadFieldTry(good_first, accepted, not accepted, good, unchanged)


@pytest.mark.parametrize(
    ("tries", "expected"),
    [
        ([a_try(), a_try(good_first=False)], ("refuse_all", "likely")),
        ([a_try(good=True), a_try(good_first=False)], ("prefix", "likely")),
        ([a_try(good=True), a_try(good_first=False, good=True)], ("good_ones", "likely")),
        ([a_try(accepted=True, good=True)], ("drop", "perhaps")),
        ([a_try(accepted=True, good=True), a_try()], ("drop", "unclear")),
        ([a_try(accepted=True, good=True, unchanged=False)], (NOT_SETTLED, "unclear")),
        ([], (NOT_SETTLED, "unclear")),
    ],
)
def test_one_bad_field(tries, expected):
    assert said(bad_field.judge(tries)) == expected


def train(at_once, after):
    """`after`: which of the later ones are accepted."""
    burst = [shot(0.001 * n, n < at_once, in_burst=True) for n in range(AT_ONCE)]
    return (*burst, *(shot(at, after(at)) for at in AFTER))


def shot(after, is_accepted, *, in_burst=False, took=0.03):
    return Shot(after, after + took, in_burst, is_accepted)


def accepted_from(at):
    return lambda after: after >= at


def between(start, end):
    return lambda after: start <= after < end


@pytest.mark.parametrize(
    ("trains", "expected", "per_second"),
    [
        ([train(15, accepted_from(1.0))] * 2, ("sliding", "likely"), 15),
        ([train(2, accepted_from(1.0)), train(3, accepted_from(1.0))], ("sliding", "likely"), 2),
        ([train(5, between(0.5, 0.87))] * 2, ("fixed", "likely"), 5),
        # A fixed window that opens just when a sliding one would looks like it; and a burst may fall into two.
        ([train(4, accepted_from(1.0)), train(2, between(0.5, 0.65))], ("fixed", "perhaps"), 2),
        ([train(1, accepted_from(0.0))] * 2, ("smooth", "likely"), 11),
        ([train(AT_ONCE, accepted_from(0.0))] * 2, ("unlimited", "likely"), 20),
        ([train(5, accepted_from(9.0))] * 2, ("longer", "likely"), 5),
        ([train(1, accepted_from(1.1))] * 2, ("sliding", "likely"), 1),
        ([train(0, accepted_from(9.0))], (NOT_SETTLED, "unclear"), None),
    ],
)
def test_the_limit(trains, expected, per_second):
    reading = request_limit.judge(LimitSeen(tuple(trains), ()))
    assert said(reading) == expected
    assert reading.details.get("per_second") == per_second


def test_equal_distances_are_measured_where_the_requests_are_far_apart():
    slow = tuple(shot(0.1 * n, n % 5 == 0) for n in range(1, 22))
    reading = request_limit.judge(LimitSeen((train(1, between(0.5, 0.6)),), slow))
    assert (reading.finding, reading.details["per_second"]) == ("smooth", 2)


def test_a_request_that_overtakes_the_burst_is_no_sign_of_a_fixed_window():
    """On a busy machine some of the burst leave late: the last place of the window is taken by one that was to come after it."""
    burst = [shot(0.0, True, in_burst=True), *(shot(0.0, False, in_burst=True, took=0.3) for _ in range(AT_ONCE - 1))]
    overtakes = [burst[0], shot(0.15, True), *burst[1:], *(shot(at, at > 1.0) for at in AFTER[1:])]
    reading = request_limit.judge(LimitSeen((tuple(overtakes),) * 2, ()))
    assert (reading.finding, reading.details["per_second"]) == ("sliding", 2)


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([(0.9, False), (1.03, True)] * 3, ("sliding", "likely")),
        ([(0.9, False), (1.03, True), (0.9, True), (1.03, True)], ("fixed_or_wider", "seen")),
        ([(0.9, False), (1.03, False)] * 2, ("slower", "likely")),
        ([(0.9, False), (1.03, True), (0.9, False), (1.03, False), (0.9, False), (1.03, True)], ("sliding", "perhaps")),
        ([(0.9, False)], (NOT_SETTLED, "unclear")),
    ],
)
def test_pairs_of_batches(pairs, expected):
    assert said(batch_window.judge(pairs)) == expected


@pytest.mark.parametrize(
    ("repeats", "expected", "words"),
    [
        ([(0.5, "rejected"), (3.0, "rejected"), (12.0, "rejected")], ("rejected", "likely"), "for 12 s or longer"),
        ([(0.5, "rejected"), (3.0, "ignored"), (12.0, "rejected")], ("rejected", "perhaps"), "for less than 3 s"),
        ([(0.5, "ignored"), (3.0, "ignored")], ("ignored", "likely"), "executed again: likely"),
        ([(0.5, "replayed")], ("replayed", "perhaps"), "for 0 s or longer"),
        ([], (NOT_SETTLED, "unclear"), "no repeat"),
    ],
)
def test_repeated_uuids(repeats, expected, words):
    reading = repeated_uuid.judge_batch(repeats)
    assert said(reading) == expected
    assert words in reading.in_words()


@pytest.mark.parametrize(
    ("seen", "expected", "behind"),
    [
        ([((0.0, True), (1.0, True))] * 3, ("current", "likely"), 0.0),
        ([((0.0, False), (0.2, True)), ((0.0, True), (0.2, True))], ("behind", "seen"), 0.2),
        ([((0.0, False), (1.0, False), (2.0, True))] * 3, ("behind", "seen"), 2.0),
        ([((0.0, True), (0.2, False), (1.0, True))] * 3, ("unsteady", "seen"), 1.0),
    ],
)
def test_reads(seen, expected, behind):
    reading = freshness.judge(seen)
    assert said(reading) == expected
    assert reading.details["behind_seconds"] == behind


def test_the_others():
    assert said(access.judge(Sent(None))) == ("allowed", "seen")
    assert said(access.judge(Sent(LaneStopped("no", code=10301, http_status=403)))) == ("refused", "seen")
    assert said(access.judge(Sent(BatchRefused("no", code=30005, http_status=404)))) == (NOT_SETTLED, "unclear")
    assert said(empty_field.judge(["left_out", "left_out"])) == ("left_out", "likely")
    assert said(same_value.judge([(5, 6), (7, 8)])) == ("moves", "likely")
    assert said(same_value.judge([(5, 5), (None, 8)])) == ("stays", "unclear")
    assert said(lost_update.judge([("a", True), ("b", False)])) == ("lost", "seen")
    assert said(lost_update.judge([("a", True)] * 6)) == ("none_lost", "perhaps")
    assert said(append_present.judge(["refused", "refused"])) == ("refused", "likely")
    assert said(early_poll.judge([0.0, 1.5, None])) == ("hidden", "perhaps")
    assert said(clearing.judge({"text": {"null": "clears", '""': "is refused"}})) == ("null_clears", "seen")
    assert said(clearing.judge({"text": {"null": "is refused"}})) == ("null_does_not_clear", "seen")


# --- settings -------------------------------------------------------------------------------------------------------


def fitting(*readings):
    return {one.name.removeprefix("FEISHU_BATCH_"): one.value for one in settings_that_fit(readings)}


ALLOWED, REFUSED = access.judge(Sent(None)), access.judge(Sent(LaneStopped("no", code=10301, http_status=403)))


@pytest.mark.parametrize(("limit", "setting"), [(15, "13"), (5, "4"), (2, "1"), (1, "1"), (20, "13")])
def test_a_limit_leaves_some_to_others(limit, setting):
    reading = request_limit.judge(LimitSeen((train(limit, accepted_from(1.0)),), ()))
    assert fitting(ALLOWED, reading) == {"SINGLE_UPDATES_PER_SECOND": setting}
    assert fitting(REFUSED, reading) == {"SINGLE_UPDATES_PER_SECOND": "0"}
    lost = lost_update.judge([("a", False)])
    assert fitting(ALLOWED, reading, lost) == {"SINGLE_UPDATES_PER_SECOND": setting, "SINGLE_ITEMS_ALONE": "true"}
    assert fitting(REFUSED, lost) == {"SINGLE_UPDATES_PER_SECOND": "0"}


def test_a_setting_only_becomes_safer():
    assert fitting(freshness.judge([((0.0, True),)] * 3)) == {"READS_BEHIND_SECONDS": "10"}
    assert fitting(freshness.judge([((0.0, False), (7.0, True))])) == {"READS_BEHIND_SECONDS": "21"}
    assert fitting(early_poll.judge([0.0, 0.0])) == {"NOT_EXIST_SECONDS": "30"}
    assert fitting(early_poll.judge([15.0])) == {"NOT_EXIST_SECONDS": "45"}
    assert fitting(batch_window.judge([(0.9, False), (1.03, True)])) == {}
    assert fitting(batch_window.judge([(0.9, False), (1.03, False)])) == {"SLOT_SECONDS": "1.2"}
    assert fitting(ALLOWED) == {}


def test_the_file_says_why_in_lines_that_a_shell_takes():
    text = as_env_file(settings_that_fit([early_poll.judge([15.0])]), "demo, story", "2030-01-01T00:00:00Z")
    comment, assignment = text.splitlines()[-2:]
    assert assignment == "FEISHU_BATCH_NOT_EXIST_SECONDS=45"
    assert comment.startswith("# a job is not known right after its acceptance, for up to 15 s: perhaps (1 of 1)")
    assert all(line == "" or re.match(r"# |[A-Z_]+=[\w.]+$", line) for line in text.splitlines())


# --- the place ------------------------------------------------------------------------------------------------------


def a_field(kind, *options, **more):
    return Field("field_x", "X", "", kind, tuple(Option(value, value) for value in options), **more)


@pytest.mark.parametrize("kind", TYPES)
def test_a_usable_type_has_two_values_and_a_bad_one(kind):
    field = trial_field(a_field(kind, "a", "b", "c"))
    first, second = field.values
    item = WorkItem(1, {"field_x": first}, {"field_x": kind})
    assert field.shows(item, first)
    assert not field.shows(item, second)
    assert field.bad_value not in field.values


@pytest.mark.parametrize(
    "field",
    [
        a_field("multi_text"),
        a_field("select", "only"),
        a_field("number", value_generate_mode="Calculate"),
        a_field("number", is_obsolete=True),
        a_field("signal"),
    ],
    ids=str,
)
def test_what_cannot_be_verified_or_written_is_not_used(field):
    assert trial_field(field) is None


def test_only_items_whose_values_are_known_are_used():
    shown = {1: 7, 2: None}
    found = {item: WorkItem(item, {"field_x": value}) for item, value in shown.items()}
    found[3] = WorkItem(3, {})
    found[4] = WorkItem(4, {"field_x": "seven"})
    before = originals([1, 2, 3, 4, 5], found, [POINTS])
    assert before.values == {(1, "field_x"): 7, (2, "field_x"): None}
    assert before.items == (1, 2)
    assert "not shown" in before.left_out[3]
    assert "form" in before.left_out[4]
    assert "not there" in before.left_out[5]


# --- the page -------------------------------------------------------------------------------------------------------


def test_the_page_explains_every_reading_and_finding():
    tables = {
        **{one.NAME: one.WORDS for one in (access, freshness, empty_field, bad_field, same_value, append_present)},
        **{one.NAME: one.WORDS for one in (early_poll, lost_update, batch_window, request_limit)},
        clearing.NAME: (clearing.BY_NULL, clearing.NOT_BY_NULL),
        repeated_uuid.SINGLE: (repeated_uuid.REJECTED, repeated_uuid.REPLAYED, repeated_uuid.IGNORED),
        repeated_uuid.BATCH: (repeated_uuid.REJECTED, repeated_uuid.REPLAYED, repeated_uuid.IGNORED),
    }
    assert tables.keys() == set(NAMES)
    rows = [line for line in PAGE.splitlines() if line.startswith("| `")]
    for name, findings in tables.items():
        [row] = [line for line in rows if f"`{name}`" in line.split("|")[1]]
        assert re.findall(r"`(\w+)`", row.split("|")[2]) == list(findings)
    assert all(f"*{word}*" in PAGE for word in Sureness)


def test_the_first_readings_are_always_made_and_one_field_leaves_some_out():
    assert [step.name for step in chosen_steps(["same_value"])] == [*FIRST, "same_value"]
    assert len(chosen_steps([])) == len(STEPS)
    assert sum(step.requests for step in STEPS) < 230
    assert MULTI in TYPES
