"""Every kind of writing × every type of field: what is meant, or why it is refused. An empty place is a failure."""

import json
from contextlib import suppress
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feishu_batch.intents import UpdateIntent, UpdateMode
from feishu_batch.written import Kind, Written, holds_written
from tests.catalogue.wish import CHINA, KEY_OF, SPACE, keys_of
from worker.catalogue.checks import Checks
from worker.catalogue.gate import unchecked, without_catalogue
from worker.catalogue.models import Catalogue, RefusedError
from worker.catalogue.types import MODES
from worker.importing.cells import CellError, field_value
from worker.remote.models import Field, Option

LABELS = {"v11": "1.1", "v110": "1.10", "v5": "5", "t": "TRUE", "a": "a, b", "q": "[x]", "w": "word"}
OPTIONS = tuple(Option(value, label) for value, label in LABELS.items())
CHECKS = Checks(Catalogue(tuple(Field(one, one, "", one, options=OPTIONS) for one in MODES)), keys_of, CHINA)
LILEI = KEY_OF["lilei@example.com"]


def sent(type_key, value, mode="UPDATE"):
    """What goes to the remote system; a `RefusedError` for what does not."""
    content = {"project_key": SPACE, "work_item_type_key": "story", "work_item_ids": [1], "field_key": type_key}
    intent = UpdateIntent.parse({**content, "update_mode": mode, "after_field_value": value})
    return CHECKS.checked(intent).after_field_value


def text(value):
    return field_value("after_field_value", value)


def number(value, shown=None):
    return Written(Kind.NUMBER, value, shown).to_json()


TEXTS = ("text", "multi_pure_text", "multi_text", "link", "email", "telephone")
FLAT, SEVERAL = ("select", "radio"), ("multi_select",)
# Kind of writing: (the form, {type: what is meant}). A type that is not named refuses it.
WRITTEN = {
    "1.10": (text("1.10"), dict.fromkeys(TEXTS, "1.10") | {"number": 1.1, "option": "v110"}),
    "a number of a sheet that may be a label": (number("1.1"), dict.fromkeys(TEXTS, "1.1") | {"number": 1.1}),
    "1.1 shown as 1.10": (number("1.1", "1.10"), dict.fromkeys(TEXTS, "1.10") | {"number": 1.1, "option": "v110"}),
    "-0": (text("-0"), dict.fromkeys(TEXTS, "-0") | {"number": 0}),
    "0012": (text("0012"), dict.fromkeys(TEXTS, "0012") | {"number": 12}),
    "2E5": (text("2E5"), dict.fromkeys(TEXTS, "2E5")),
    "1,120": (text("1,120"), dict.fromkeys(TEXTS, "1,120")),
    "1 120": (text("1\u00a0120"), dict.fromkeys(TEXTS, "1\u00a0120")),
    "5": (
        text("5"),
        dict.fromkeys(TEXTS, "5") | {"number": 5, "option": "v5", "work_item_related_select": 5}
        | {"work_item_related_multi_select": [5]},
    ),
    "5 of a sheet": (
        number("5"),
        dict.fromkeys(TEXTS, "5") | {"number": 5, "option": "v5", "work_item_related_select": 5}
        | {"work_item_related_multi_select": [5]},
    ),
    "123 shown as 00123": (number("123", "00123"), dict.fromkeys(TEXTS, "00123") | {"number": 123}),
    "0.5 shown as 50%": (number("0.5", "50%"), dict.fromkeys(TEXTS, "50%")),
    "1120 shown as 1,120": (
        number("1120", "1,120"),
        dict.fromkeys(TEXTS, "1,120") | {"number": 1120, "work_item_related_select": 1120}
        | {"work_item_related_multi_select": [1120]},
    ),
    "more digits than a number keeps": (text("12345678901234567.25"), dict.fromkeys(TEXTS, "12345678901234567.25")),
    "a serial": (
        text("46053"),
        dict.fromkeys(TEXTS, "46053") | {"number": 46053, "work_item_related_select": 46053}
        | {"work_item_related_multi_select": [46053]},
    ),
    "true": (text("true"), dict.fromkeys(TEXTS, "true") | {"bool": True, "option": "t"}),
    "TRUE of a sheet": (
        Written(Kind.BOOLEAN, "TRUE").to_json(),
        dict.fromkeys(TEXTS, "TRUE") | {"bool": True, "option": "t"},
    ),
    "a day as text": (
        text("2030-01-31"),
        dict.fromkeys(TEXTS, "2030-01-31") | {"date": 1896019200000, "precise_date": 1896019200000},
    ),
    "a date of a sheet": (
        Written(Kind.DATE, "2030-01-31T00:00:00+08:00", "2030-01-31").to_json(),
        {"date": 1896019200000, "precise_date": 1896019200000},
    ),
    "a date of a program": (date(2030, 1, 31), {"date": 1896019200000, "precise_date": 1896019200000}),
    "a time of day": (Written(Kind.TIME, "03:30:00").to_json(), {}),
    "a Decimal": (
        Decimal("1.10"),
        dict.fromkeys(TEXTS, "1.10") | {"number": 1.1},
    ),
    "a Decimal with too many digits": (Decimal("0.12345678901234567890"), {}),
    "a span as JSON": (
        text('{"start_time": "2030-01-31", "end_time": 1896105600000}'),
        dict.fromkeys(TEXTS, '{"start_time": "2030-01-31", "end_time": 1896105600000}')
        | {key: {"start_time": 1896019200000, "end_time": 1896105600000} for key in ("schedule", "precise_date")},
    ),
    "a list as JSON": (
        text('["5", "word"]'),
        dict.fromkeys(TEXTS, '["5", "word"]') | {"multi_select": [{"value": "v5"}, {"value": "w"}]}
        | {"tree_multi_select": [{"value": one, "children": None} for one in ("v5", "w")]}
        | {"link_cloud_doc": ["5", "word"]},
    ),
    "a Python list": (text("['5', 'word']"), dict.fromkeys(TEXTS, "['5', 'word']")),
    "[x]": (text("[x]"), dict.fromkeys(TEXTS, "[x]") | {"option": "q"}),
    "an object": (text('{"a":1}'), dict.fromkeys(TEXTS, '{"a":1}')),
    "a number in quotes": (text('"5"'), {"number": 5, "option": "v5", "work_item_related_select": 5} | {"work_item_related_multi_select": [5]}),
    "an option as JSON": (
        text('{"value": "w"}'),
        dict.fromkeys(TEXTS, '{"value": "w"}') | {key: {"value": "w"} for key in (*FLAT, "tree_select")}
        | {key: [{"value": "w"}] for key in (*SEVERAL, "tree_multi_select")},
    ),
    "a label that contradicts": (
        text('{"label": "1.1", "value": "w"}'),
        dict.fromkeys(TEXTS, '{"label": "1.1", "value": "w"}'),
    ),
    "a word": (text("word"), dict.fromkeys(TEXTS, "word") | {"option": "w"}),
    "an address": (text("Li Lei <lilei@example.com>"), dict.fromkeys(TEXTS, "Li Lei <lilei@example.com>") | {"person": LILEI}),
    "a user key": (text(LILEI), dict.fromkeys(TEXTS, LILEI) | {"person": LILEI, "work_item_related_select": int(LILEI)} | {"work_item_related_multi_select": [int(LILEI)]}),
    "a rounded key": (text("7.30E+18"), dict.fromkeys(TEXTS, "7.30E+18")),
    "an open id": (text("ou_84aad35d084aa403a838cf73ee18467"), dict.fromkeys(TEXTS, "ou_84aad35d084aa403a838cf73ee18467")),
    "two links": (
        text("https://a.example/A\nhttps://a.example/B, https://a.example/C"),
        dict.fromkeys(TEXTS, "https://a.example/A\nhttps://a.example/B, https://a.example/C")
        | {"link_cloud_doc": ["https://a.example/A", "https://a.example/B", "https://a.example/C"]},
    ),
    "a range of ids": (text("1001-1003"), dict.fromkeys(TEXTS, "1001-1003") | {"work_item_related_multi_select": [1001, 1002, 1003]}),
}  # fmt: skip
# One address is what link_cloud_doc makes of any text without blanks; that is left to the remote system.
ANY_WORD = {"1.10", "-0", "0012", "2E5", "1,120", "5", "more digits than a number keeps", "a serial", "true"}
ANY_WORD |= {
    "a day as text",
    "[x]",
    "a word",
    "a user key",
    "a rounded key",
    "an open id",
    "a range of ids",
    "a number in quotes",
}


def meant(kind, type_key):
    """What the table says; `KeyError` if it is refused."""
    form, means = WRITTEN[kind]
    if type_key == "link_cloud_doc" and kind in ANY_WORD:
        return (
            [json.loads('"5"')]
            if kind == "a number in quotes"
            else [Written.of(form).text if Written.of(form) else form]
        )
    if type_key in means:
        return means[type_key]
    option, person = means.get("option"), means.get("person")
    shapes = {
        **({} if option is None else {key: {"value": option} for key in FLAT} | {"multi_select": [{"value": option}]}),
        **({} if option is None else {"tree_select": {"value": option, "children": None}}),
        **({} if option is None else {"tree_multi_select": [{"value": option, "children": None}]}),
        **({} if person is None else {"user": person, "multi_user": [person]}),
    }
    return shapes[type_key]


def test_the_table_has_a_column_for_every_type_that_is_written():
    named = {type_key for _, means in WRITTEN.values() for type_key in means} - {"option", "person"}
    assert named | {*FLAT, *SEVERAL, "tree_select", "tree_multi_select", "user", "multi_user"} == set(MODES)


@pytest.mark.parametrize("type_key", sorted(MODES))
@pytest.mark.parametrize("kind", WRITTEN)
def test_what_was_written_is_meant_so_or_refused(kind, type_key):
    form = WRITTEN[kind][0]
    try:
        expected = meant(kind, type_key)
    except KeyError:
        with pytest.raises(RefusedError):
            sent(type_key, form)
        return
    assert json.dumps(sent(type_key, form)) == json.dumps(expected) or sent(type_key, form) == expected


@given(st.text(min_size=1, max_size=40), st.sampled_from(TEXTS))
def test_whatever_a_text_field_takes_is_what_stood_in_the_cell(written, type_key):
    with suppress(CellError, RefusedError):
        form = text(written)
        assert sent(type_key, form) in (written, form)


@given(st.text(st.sampled_from("0123456789+-.,e E%１"), min_size=1, max_size=20))
def test_whatever_a_number_field_takes_equals_what_stood_in_the_cell(written):
    with suppress(CellError, RefusedError):
        number_sent = sent("number", text(written))
        if number_sent is not None:
            plain = written.strip().replace("１", "1").replace(" ", "")
            assert Decimal(repr(number_sent)) == Decimal(plain)


@given(
    st.text(max_size=30) | st.decimals(allow_nan=False, allow_infinity=False) | st.dates(), st.sampled_from([*MODES])
)
def test_nothing_reaches_the_remote_system_as_it_travels(value, type_key):
    with suppress(CellError, RefusedError, ValueError):
        form = text(value) if isinstance(value, str) else value
        assert not holds_written(sent(type_key, form))


FORMS = [form for form, _ in WRITTEN.values()] + [[form] for form, _ in WRITTEN.values()] + [
    {"start_time": date(2030, 1, 1)}
]  # fmt: skip


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("field_key", ["field_a1b2c3", "description", "priority", "owner"])
def test_without_a_catalogue_only_what_is_certain_is_read(form, field_key):
    content = {"project_key": SPACE, "work_item_type_key": "story", "work_item_ids": [1], "field_key": field_key}
    intent = UpdateIntent.parse({**content, "update_mode": UpdateMode.UPDATE, "after_field_value": form})
    for read in (without_catalogue(intent), unchecked(intent, "nobody answers", lambda key: f"give {key}")):
        if isinstance(read, UpdateIntent):
            assert not holds_written(read.after_field_value)
        else:
            assert read.code == "cannot_resolve"


ALONE = [
    (text("1.10"), "1.10"),
    (text("-0"), "-0"),
    (text("5"), 5),
    (text("3.5"), 3.5),
    (text("1e5"), "1e5"),
    (text("true"), True),
    (text('{"value": "x"}'), {"value": "x"}),
    (text("[1, 2]"), [1, 2]),
    (text("[x]"), "[x]"),
    (number("5"), 5),
]


@pytest.mark.parametrize(("form", "read"), ALONE, ids=str)
def test_without_a_catalogue_json_and_numbers_that_print_back_are_read(form, read):
    content = {"project_key": SPACE, "work_item_type_key": "story", "work_item_ids": [1], "field_key": "field_a1b2c3"}
    intent = UpdateIntent.parse({**content, "update_mode": "UPDATE", "after_field_value": form})
    assert json.dumps(without_catalogue(intent).after_field_value) == json.dumps(read)


def test_what_replace_takes_away_is_read_in_the_same_way():
    content = {"project_key": SPACE, "work_item_type_key": "story", "work_item_ids": [1], "field_key": "select"}
    values = {"before_field_value": text("1.10"), "after_field_value": text("1.1")}
    intent = CHECKS.checked(UpdateIntent.parse({**content, "update_mode": "REPLACE", **values}))
    assert (intent.before_field_value, intent.after_field_value) == ({"value": "v110"}, {"value": "v11"})


def test_a_number_of_a_program_that_may_be_two_labels_is_refused():
    with pytest.raises(RefusedError, match=r"'1.1' \(v11\), '1.10' \(v110\)"):
        sent("select", 1.1)
    assert sent("select", "1.1") == {"value": "v11"}


def test_a_label_out_of_date_is_no_contradiction():
    assert sent("select", {"label": "word, as it was called", "value": "w"})["value"] == "w"
    with pytest.raises(RefusedError, match="is the label of v5"):
        sent("multi_select", [{"label": "5", "value": "w"}])
    with pytest.raises(RefusedError, match="is the label of v5"):
        sent("tree_select", {"value": "w", "label": "5", "children": None})
    with pytest.raises(RefusedError, match="is the label of v5"):
        sent("select", {"option_id": "w", "label": "5"})
