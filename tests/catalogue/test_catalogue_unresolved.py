"""While nobody can look anything up: what is surely a key passes, what may be a name is refused. Pure."""

import pytest

from feishu_batch.intents import UpdateMode
from tests.catalogue.wish import wish
from worker.catalogue.gate import unchecked, without_catalogue

OPTION = {"value": "option_0"}


def judged(field, value, **more):
    answer = unchecked(wish(field, value, **more), "nobody answers", lambda key: f"give {key}")
    return answer if getattr(answer, "code", None) else "passes"


@pytest.mark.parametrize(
    "field",
    ["field_a1b2c3", "field_0c9d1e", "name", "description", "priority", "tags", "owner", "watchers"],
)
def test_what_is_surely_a_key_passes(field):
    assert judged(field, OPTION) == "passes"
    assert judged(field, None) == "passes"


@pytest.mark.parametrize(
    "field",
    [
        *("Priority", "PRIORITY", "stage", "due_date", "Severity", "severity", "Owner", "release_note", "field_"),
        *("field_abc", "field_A1B2C3", "field_a1b2c3d", "field-a1b2c3", "x", "priority2", "f5ed1b", "story"),
        *("优先级", "Release note"),
    ],
)
def test_what_may_be_a_name_or_an_alias_is_no_key(field):
    refused = judged(field, OPTION)
    assert refused.code == "cannot_resolve"
    assert f"the field '{field}' cannot be looked up" in refused.reason


# value × (a text, an option, a person, a field of which only the key is known): whether it passes
VALUES = [
    ("lilei@example.com", True, False, False, False),
    (" lilei@example.com ", True, False, False, False),
    (["lilei@example.com"], True, False, False, False),
    ("Li Lei <lilei@example.com>", True, False, False, False),
    ("lilei@example.com; meimei@example.com", True, False, False, False),
    ('"Li, Lei" <lilei@example.com>', True, False, False, False),
    ("7300000000000000001，lilei@example.com", True, False, False, False),
    (["7300000000000000001", "lilei@example.com"], True, False, False, False),
    ("Li Lei", True, False, False, False),
    ("lilei", True, False, False, False),
    ("ou_7f3a", True, False, False, False),
    ("7300000000000000001", True, False, True, True),
    (["7300000000000000001", "7300000000000000002"], True, False, True, True),
    ("ask lilei@example.com, then ship", True, False, False, False),
    ("@all: shipped", True, False, False, False),
    ("P0", True, False, False, False),
    ("option_0", True, False, False, False),
    (["backend"], True, False, False, False),
    ({"label": "P0"}, True, False, False, False),
    ({"option_id": "option_0"}, True, False, False, False),
    ([{"label": "backend"}], True, False, False, False),
    ({"start_time": "2030-01-31", "end_time": "2030-02-28"}, True, False, False, False),
    ({"value": "a", "children": {"label": "B"}}, True, False, False, False),
    (OPTION, True, True, True, True),
    ({"value": "option_0", "label": "P0"}, True, True, True, True),
    ({"value": "a", "children": {"value": "b", "children": None}}, True, True, True, True),
    ([OPTION, OPTION], True, True, True, True),
    ({"start_time": 1893427200000, "end_time": 1893513600000}, True, True, True, True),
    (1893427200000, True, True, True, True),
    (3.5, True, True, True, True),
    (True, True, True, True, True),
    ([5001, 5002], True, True, True, True),
    (None, True, True, True, True),
    ("", True, True, True, True),
    ({"$text": "5"}, True, False, False, False),
    ({"$text": "1.10"}, True, False, False, False),
    ({"$text": "true"}, True, False, False, False),
    ({"$number": "5"}, False, False, False, False),
    ({"$boolean": "TRUE"}, False, False, False, False),
    ({"$text": "7300000000000000001"}, True, False, True, False),
    ({"$text": '{"value": "option_0"}'}, True, True, True, True),
    ({"$text": '["P0"]'}, True, False, False, False),
    ([{"$text": "5"}], True, False, False, False),
    ([], True, True, True, True),
]


@pytest.mark.parametrize(("value", "text", "option", "person", "unknown"), VALUES)
def test_what_may_be_a_name_by_the_type_of_its_field_or_a_label_where_the_type_is_not_known_does_not_pass(
    value, text, option, person, unknown
):
    expected = {"name": text, "description": text, "priority": option, "tags": option}
    expected |= {"owner": person, "watchers": person, "field_a1b2c3": unknown}
    assert {field: judged(field, value) == "passes" for field in expected} == expected


def test_what_is_replaced_counts_as_well():
    refused = judged("priority", OPTION, update_mode=UpdateMode.REPLACE, before_field_value="P1")
    assert "whether 'P1' is a name cannot be looked up (nobody answers): give an option as" in refused.reason
    assert judged("priority", OPTION, update_mode=UpdateMode.REPLACE, before_field_value=OPTION) == "passes"


def test_who_switches_the_catalogue_off_gives_keys_and_values_as_they_are():
    for field, value in (("Priority", "P0"), ("owner", "lilei@example.com"), ("stage", "x")):
        intent = wish(field, value)
        assert without_catalogue(intent) is intent
    assert without_catalogue(wish("Release note", "x")).code == "cannot_resolve"


def test_an_operator_may_have_texts_sent_unchecked():
    def sent(value):
        return not getattr(unchecked(wish("field_a1b2c3", value), "nobody answers", str, texts_pass=True), "code", None)

    assert [sent(value) for value in ("P0", ["backend"], {"$text": "5"}, "Li Lei")] == [True] * 4
    assert [sent(value) for value in ("lilei@example.com", {"label": "P0"})] == [False] * 2
    assert unchecked(wish("priority", "P0"), "nobody answers", str, texts_pass=True).code == "cannot_resolve"
