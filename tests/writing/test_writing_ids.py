"""Ids as people write them: read as they are meant, or refused with every meaning."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.writing.ids import IdError, ids_in, one_id

READ = [
    ("1001", [1001]),
    (" 1001 ", [1001]),
    ("1001,1002", [1001, 1002]),
    ("1001, 102", [1001, 102]),
    ("1, 120", [1, 120]),
    ("1;120", [1, 120]),
    ("1，120", [1, 120]),
    ("1、120", [1, 120]),
    ("1\n120", [1, 120]),
    ("1001；1002、1003，1004", [1001, 1002, 1003, 1004]),
    ("1001 1002\u00a01003\u20091004", [1001, 1002, 1003, 1004]),
    ("1252,", [1252]),
    ("#1239", [1239]),
    ("#1239, #1240", [1239, 1240]),
    ("＃１２３９", [1239]),
    ("１２４４", [1244]),
    ("1381\u200b", [1381]),
    ("'1245", [1245]),
    ("1246.0", [1246]),
    ("1246.000", [1246]),
    ("[1255,1256]", [1255, 1256]),
    ('["1253", "1254"]', [1253, 1254]),
    ("[1,120]", [1, 120]),
    ("https://project.feishu.cn/demo/story/detail/1243", [1243]),
    ("https://project.feishu.cn/demo/story/detail/1243?parentUrl=%2Fx#comment, 1244", [1243, 1244]),
    ("1240-1242", [1240, 1241, 1242]),
    ("1240–1242", [1240, 1241, 1242]),
    ("1240~1242", [1240, 1241, 1242]),
    ("1240～1242", [1240, 1241, 1242]),
    ("1240 - 1242", [1240, 1241, 1242]),
    ("1240至1242", [1240, 1241, 1242]),
    ("1001, 1240-1241; #1300", [1001, 1240, 1241, 1300]),
]


@pytest.mark.parametrize(("text", "ids"), READ)
def test_what_means_one_thing_is_read(text, ids):
    assert ids_in(text).ids == ids


BOTH = [
    ("1,120", "1120", "1 and 120"),
    ("1 124", "1124", "1 and 124"),
    ("1\u00a0124", "1124", "1 and 124"),
    ("1\u202f124", "1124", "1 and 124"),
    ("1.120", "1120", "1 and 120"),
    ("1'120", "1120", "1 and 120"),
    ("1’120", "1120", "1 and 120"),
    ("1_120", "1120", "1 and 120"),
    ("1.000", "1000", "1 and 000"),
    ("12,345,678", "12345", "12 and 345"),
    ("1.234.567", "1234567", "1 and 234 and 567"),
    ("1001,1,120", "1120", "1 and 120"),
    ("100 200", "100200", "100 and 200"),
    ("#1,120", "1120", "1 and 120"),
    ("１，120，1,120", "1120", "1 and 120"),
]


@pytest.mark.parametrize(("text", "joined", "parts"), BOTH)
def test_digit_groups_are_refused_with_both_readings(text, joined, parts):
    with pytest.raises(IdError) as refused:
        ids_in(text)
    assert joined in str(refused.value)
    assert parts in str(refused.value)


REFUSED = [
    ("0125", "begins with 0"),
    ("00", "begins with 0"),
    ("0", "not a work item id"),
    ('["0125"]', "begins with 0"),
    ("[0]", "not a work item id"),
    ("[true]", "not a work item id"),
    ("[1001", "begins like a list but is not one"),
    ("1235|1236", "not a work item id"),
    ("1237/1238", "not a work item id"),
    ("m-1250", "not a work item id"),
    ("-5", "not a work item id"),
    ("1.247E+03", "rounded"),
    ("1001.5", "rounded"),
    ("2026-01-31", "not a work item id"),
    ("1020-1001", "ends before it begins"),
    ("1001-20", "ends before it begins"),
    ("1001-01020", "begins with 0"),
    ("1-20000", "at most 10,000 are allowed"),
    ("1001\u200b1002", "zero width space"),
    ("https://project.feishu.cn/demo/story/1243", "is not a link to a work item"),
    ("1" * 21, "not a work item id"),
]


@pytest.mark.parametrize(("text", "reason"), REFUSED)
def test_what_is_no_id_is_refused_with_the_reason(text, reason):
    with pytest.raises(IdError, match=reason):
        ids_in(text)


def test_ranges_are_counted_and_links_say_where():
    found = ids_in("7, 1001-1020, https://x.example/ops/issue/detail/9")
    assert (len(found.ids), found.ranged, found.places) == (22, 20, [("ops", "issue")])


def test_several_are_not_one():
    assert one_id("#7") == 7
    with pytest.raises(IdError, match="2 work items"):
        one_id("7;8")


@given(st.lists(st.integers(1, 2**63 - 1), min_size=1, max_size=5), st.sampled_from([";", "、", "\n", ", ", "，"]))
def test_ids_come_back_as_they_were_written(ids, separator):
    assert ids_in(separator.join(map(str, ids))).ids == ids


@given(st.text(st.sampled_from("0123456789 ,.;'-~#[]\u00a0\u202f、\n１２"), max_size=14))
def test_no_digit_is_lost_and_none_is_added(text):
    """Whatever is read without a range has just the digits that were written, in their order; only a fraction of 0 goes."""
    with suppress(IdError):
        found = ids_in(text)
        if not found.ranged:
            written = "".join(str(int(one)) for one in text if one.isdigit())
            read = "".join(map(str, found.ids))
            assert written == read or ".0" in text
