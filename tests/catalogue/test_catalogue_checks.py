"""What is taken, what it becomes, and what is refused with which hint: by the demonstration world's fields."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feishu_batch.intents import UpdateMode
from feishu_batch.values import canonical_value
from sandbox import values as remote_values
from sandbox.world import load_world
from tests.catalogue.wish import KEY_OF, checks, demo_catalogue, verdict, wish
from tests.support.strategies import recursive
from worker.catalogue.models import Catalogue, Code
from worker.catalogue.options import FieldOptions
from worker.catalogue.types import modes_of
from worker.remote.models import Field, Option

CHECKS = checks()
LOGIN = {"children": {"children": None, "value": "cmp_acc_login"}, "value": "cmp_acc"}
CARD = {"children": {"children": None, "value": "cmp_pay_card"}, "value": "cmp_pay"}

TAKEN = [
    ("Priority", "P0", "priority", {"value": "option_0"}),
    ("priority", "  p1 ", "priority", {"value": "option_1"}),
    ("priority", "option_2", "priority", {"value": "option_2"}),
    ("priority", {"label": "P2"}, "priority", {"value": "option_2"}),
    ("priority", {"option_id": "option_2"}, "priority", {"value": "option_2"}),
    ("STAGE", "Done", "field_f5ed1b", {"value": "z6x1c4v7b"}),
    ("tags", "backend; urgent", "tags", [{"value": "n8d2k5j1h"}, {"value": "u5i8o2p6a"}]),
    ("tags", ["backend", {"value": "u5i8o2p6a"}], "tags", [{"value": "n8d2k5j1h"}, {"value": "u5i8o2p6a"}]),
    ("component", "Login", "field_b7c2d8", LOGIN),
    ("component", "Payment > Card", "field_b7c2d8", CARD),
    ("component", "payment/card", "field_b7c2d8", CARD),
    ("Release note", 7, "field_a1b2c3", "7"),
    ("release_note", "shipped", "field_a1b2c3", "shipped"),
    ("Story points", " 3.5 ", "field_3f6a90", 3.5),
    ("is_blocked", "No", "field_5a4b3c", False),
    ("due_date", "2030-01-31", "field_d4e5f6", 1896019200000),
    ("due_date", "2030-01-30T16:00:00Z", "field_d4e5f6", 1896019200000),
    ("due_date", "2030/01/31", "field_d4e5f6", 1896019200000),
    ("due_date", "2030/1/31", "field_d4e5f6", 1896019200000),
    ("due_date", "2030/1/31 8:05", "field_d4e5f6", 1896048300000),
    ("due_date", "2030-1-31 08:05:00", "field_d4e5f6", 1896048300000),
    ("due_date", "2030年1月31日", "field_d4e5f6", 1896019200000),
    ("due_date", 1896019200000, "field_d4e5f6", 1896019200000),
    ("is_blocked", 1, "field_5a4b3c", True),
    ("is_blocked", "0", "field_5a4b3c", False),
    ("timetable", "2030-01-31 to 2030-02-01", "field_9e8d7c", {"start_time": 1896019200000, "end_time": 1896105600000}),
    ("owner", "lilei@example.com", "owner", "7300000000000000002"),
    ("owner", 7300000000000000003, "owner", "7300000000000000003"),
    ("watchers", "lilei@example.com, 7300000000000000003", "watchers", [*KEY_OF.values()]),
    ("watchers", "lilei@example.com,7300000000000000003", "watchers", [*KEY_OF.values()]),
    ("watchers", "lilei@example.com；7300000000000000003", "watchers", [*KEY_OF.values()]),
    ("main_issue", "5001", "field_7f8e9d", 5001),
    ("related_stories", ["1002", "1003"], "field_6c5b4a", [1002, 1003]),
    ("related_stories", 1002, "field_6c5b4a", [1002]),
]


@pytest.mark.parametrize(("field", "value", "key", "sent"), TAKEN, ids=lambda one: str(one)[:30])
def test_what_a_person_writes_becomes_what_the_api_takes(field, value, key, sent):
    word, intent = verdict(wish(field, value), CHECKS)
    assert (word, intent.field_key, intent.after_field_value) == ("taken", key, sent)


def test_a_time_without_its_zone_is_meant_in_the_zone_of_the_settings():
    _, intent = verdict(wish("due_date", "2030-01-31T18:30:00"), CHECKS)
    assert intent.after_field_value == 1896085800000


REFUSED = [
    ("Relase note", "x", "unknown_field", "the nearest is 'Release note' (field_a1b2c3)"),
    ("zzzzzzzzzz", "x", "unknown_field", "feishu-batch fields"),
    ("cost", 1, "calculated_field", "calculated"),
    ("Approval", True, "field_not_writable", "signal"),
    ("old_severity", "high", "obsolete_field", "obsolete"),
    ("priority", "P3 (retired)", "disabled_option", "'P0', 'P1', 'P2'"),
    ("priority", {"value": "option_3"}, "disabled_option", "enabled are"),
    ("priority", "backlog", "unknown_option", "there are: 'P0'"),
    ("stage", "Bcklog", "unknown_option", "the nearest is 'Backlog' (7k2m9x4qa)"),
    ("priority", {"value": "nonsense"}, "unknown_option", "has no option 'nonsense'"),
    ("priority", ["P0"], "bad_value", "by its label"),
    ("component", {"value": "cmp_pay", "children": {"value": "nowhere"}}, "unknown_option", "'nowhere'"),
    ("story_points", "many", "bad_value", "takes a number, not 'many'"),
    ("story_points", True, "bad_value", "a number"),
    ("is_blocked", "perhaps", "bad_value", "takes true, yes, 是 or 1, and false, no, 否 or 0, not 'perhaps'"),
    ("due_date", "tomorrow", "bad_value", "2030-01-31"),
    ("due_date", "1/31/2030", "bad_value", "2030-01-31"),
    ("due_date", 1896019200, "bad_value", "seconds of 2030-01-30 16:00:00 UTC"),
    ("due_date", 20300131, "bad_value", "it looks like 2030-01-31: write that"),
    ("timetable", {"start_time": 1896019200, "end_time": 1896105600}, "bad_value", "unix milliseconds"),
    ("owner", "李雷", "bad_value", "a user key or an e-mail address, not '李雷'"),
    ("watchers", "lilei@example.com, Han Meimei", "bad_value", "e-mail addresses, not 'Han Meimei'"),
    ("due_date", "2030/13/1", "bad_value", "2030-01-31"),
    ("is_blocked", 2, "bad_value", "takes true, yes, 是 or 1, and false, no, 否 or 0, not '2'"),
    ("release_note", True, "bad_value", "not 'true'"),
    ("timetable", {"start": 1896019200000, "end": 1896105600000}, "bad_value", "start_time"),
    ("timetable", {}, "bad_value", "start_time"),
    ("main_issue", -5, "bad_value", "id of a work item"),
    ("related_stories", [1002, "0"], "bad_value", "'0' is not a work item id"),
    ("timetable", "2030-01-31", "bad_value", "time span"),
    ("timetable", "2030-02-28/2030-01-31", "bad_value", "ends after its start"),
    ("release_note", {"a": 1}, "bad_value", "a text"),
    ("owner", ["7300000000000000001"], "bad_value", "user key"),
    ("main_issue", "FOO-1", "bad_value", "id of a work item"),
]


@pytest.mark.parametrize(("field", "value", "code", "hint"), REFUSED, ids=lambda one: str(one)[:30])
def test_what_cannot_work_is_refused_with_the_nearest_right_thing(field, value, code, hint):
    word, reason = verdict(wish(field, value), CHECKS)
    assert word == code
    assert hint in reason


@pytest.mark.parametrize("mode", ["APPEND", "REPLACE"])
def test_a_mode_that_the_type_does_not_take_is_refused(mode):
    word, reason = verdict(wish("release_note", "x", mode, before_field_value="y"), CHECKS)
    assert word == "mode_not_allowed"
    assert "allows UPDATE, not " + mode in reason


def test_what_is_replaced_may_be_an_option_that_was_retired_or_deleted():
    word, intent = verdict(wish("priority", "P0", "REPLACE", before_field_value="P3 (retired)"), CHECKS)
    assert (word, intent.before_field_value) == ("taken", {"value": "option_3"})
    gone = {"value": "deleted long ago"}
    assert verdict(wish("priority", "P0", "REPLACE", before_field_value=gone), CHECKS)[0] == "taken"


@pytest.mark.parametrize("empty", [None, "", []])
@pytest.mark.parametrize("field", ["priority", "tags", "owner", "due_date", "story_points", "release_note"])
def test_every_field_may_be_cleared(field, empty):
    intent = wish(field, empty)
    assert verdict(intent, CHECKS)[1].after_field_value == empty


def field(key, name="", type_key="text", **more):
    return Field(key=key, name=name, alias=more.pop("alias", ""), type_key=type_key, **more)


def test_a_name_of_several_fields_is_refused_with_their_keys():
    by = checks(Catalogue((field("a", "Owner"), field("b", "Other", alias="Owner"), field("c", "Owner"))))
    assert verdict(wish("Owner", "x"), by) == ("ambiguous", "3 fields are called 'Owner': a, b, c; use the key")
    assert verdict(wish("b", "x"), by)[0] == "taken"


def test_a_retired_namesake_is_not_in_the_way_and_a_key_goes_before_a_name():
    by = checks(Catalogue((field("a", "Owner", is_obsolete=True), field("b", "Owner"), field("Owner", "Something"))))
    assert verdict(wish("owner", "x"), by)[1].field_key == "b"
    assert verdict(wish("Owner", "x"), by)[1].field_key == "Owner"


def test_a_label_of_several_options_is_refused_with_their_ids():
    twins = (Option("x1", "Same"), Option("x2", "Same"), Option("x3", "Same", is_disabled=True))
    by = checks(Catalogue((field("a", "A", "select", options=twins),)))
    word, reason = verdict(wish("a", "same"), by)
    assert word == "ambiguous"
    assert "'Same' (x1), 'Same' (x2)" in reason
    assert "x3" not in reason


def test_an_option_with_a_comma_in_its_label_is_one_option():
    by = checks(Catalogue((field("a", "A", "multi_select", options=(Option("x", "red, green"), Option("y", "red"))),)))
    assert verdict(wish("a", "red, green"), by)[1].after_field_value == [{"value": "x"}]


@pytest.mark.parametrize(
    "type_key", ["business", "group_type", "role_owners", "compound_field", "", "new_type_of_2031"]
)
@pytest.mark.parametrize("mode", list(UpdateMode))
def test_what_nobody_has_described_for_certain_is_let_through(type_key, mode):
    by = checks(Catalogue((field("a", "A", type_key),)))
    intent = wish("a", {"anything": [1]}, mode, before_field_value={"x": 1})
    assert verdict(intent, by) == ("taken", intent)


def test_a_field_that_shows_no_options_takes_ids_but_no_labels():
    by = checks(Catalogue((field("a", "A", "select"),)))
    assert verdict(wish("a", {"value": "some"}), by)[0] == "taken"
    assert verdict(wish("a", "Some"), by)[0] == str(Code.CANNOT_RESOLVE)


# --- properties -------------------------------------------------------------------------------------------------------

JSON = recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["value", "label", "children", "x", "start_time"]), inner, max_size=3)
    ),
    max_leaves=8,
)
FIELDS = st.sampled_from([f.key for f in demo_catalogue().fields])
PROJECT = next(iter(load_world().projects.values()))
# Shapes that the sandbox stores as they are, without having seen them in any document.
UNJUDGED = {"multi_text"}


@given(FIELDS, JSON, st.sampled_from(list(UpdateMode)))
def test_what_is_taken_the_sandbox_takes_too(key, value, mode):
    """So no slot is spent on what would be refused, and nothing is sent that is answered with success and not stored."""
    word, intent = verdict(wish(key, value, mode, before_field_value=value if value is not None else 0), CHECKS)
    if word != "taken":
        return
    remote = PROJECT.field(intent.field_key, "story")
    if remote.type_key in UNJUDGED:
        return
    if remote.is_cascading:  # the catalogue does not tell
        mode = UpdateMode.UPDATE
    assert mode in remote_values.modes_of(remote)
    stored = try_shape(remote, intent.after_field_value)
    assert stored is not remote_values.Special.IGNORED


def try_shape(remote, value):
    try:
        return remote_values.shape(remote, value)
    except remote_values.BadValueError:
        # Ours lets pass an integer that is no plausible id or date, and half a schedule: the remote system says so better.
        assert remote.type_key in {"date", "schedule"} | remote_values.RELATION_TYPES
        return None


@given(FIELDS, JSON)
def test_resolving_twice_changes_nothing_more(key, value):
    word, once = verdict(wish(key, value), CHECKS)
    if word == "taken":
        assert verdict(once, CHECKS) == ("taken", once)
        assert CHECKS.checked(once) is once
        assert canonical_value(once.after_field_value) == once.after_field_value


@given(st.text(max_size=130), JSON)
def test_any_name_and_value_gets_an_answer_of_one_line(name, value):
    name = "".join(c for c in name if c.isprintable()).strip()[:128] or "x"
    word, told = verdict(wish(name, value), CHECKS)
    assert word == "taken" or ("\n" not in told and len(told) < 800)


def test_every_option_of_the_world_can_be_named_by_its_label_or_its_id():
    for one in demo_catalogue().fields:
        for node in FieldOptions(one).nodes:
            if modes_of(one) and not node.is_disabled:
                for name in (node.label, node.option.value):
                    assert verdict(wish(one.key, name), CHECKS)[0] == "taken", (one.key, name)
