"""Numbers, dates, people and failures as people write them."""

from contextlib import suppress
from datetime import timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.writing.characters import odd_character, one_line
from worker.writing.dates import PLAUSIBLE, DateError, milliseconds_in
from worker.writing.failures import failure_in
from worker.writing.numbers import NumberError, is_same_number, number_in
from worker.writing.people import PersonError, people_in, person_in

CHINA = timezone(timedelta(hours=8))

NUMBERS = [
    ("5", 5),
    ("-0", 0),
    ("+5", 5),
    ("1.10", 1.1),
    ("5.", 5),
    (".5", 0.5),
    ("０１２", 12),
    ("１２．５", 12.5),
    ("−5", -5),
    ("9007199254740992", 9007199254740992),
    ("1e-05", 1e-05),
    ("1e+16", 1e16),
]


@pytest.mark.parametrize(("text", "number"), NUMBERS)
def test_numbers_are_read_where_they_are_certain(text, number):
    assert number_in(text) == number


NO_NUMBERS = [
    ("1,000", "1000 or 1.000"),
    ("1.234,56", "without digit groups, like 123456"),
    ("1 000", "without digit groups, like 1000"),
    ("1,234,567", "without digit groups, like 1234567"),
    ("1,5", "with a point: 1.5"),
    ("50%", "0.5 or 50"),
    ("2E5", "200000"),
    ("1.23E+05", "123000"),
    ("12345678901234567.25", "15 to 17 digits"),
    ("9007199254740993", "15 to 17 digits"),
    ("9007199254740993.0", "15 to 17 digits"),
    ("1e-05x", ""),
    ("5 pts", ""),
    ("0x10", ""),
    ("1_000", "like 1000"),
    ("9" * 500, "too long"),
]


@pytest.mark.parametrize(("text", "reason"), NO_NUMBERS)
def test_numbers_that_may_be_others_are_refused_with_what_to_write(text, reason):
    with pytest.raises(NumberError) as refused:
        number_in(text)
    assert reason in str(refused.value)


@given(st.decimals(allow_nan=False, allow_infinity=False) | st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_that_is_read_equals_what_was_written(number):
    with suppress(NumberError):
        assert Decimal(repr(number_in(str(number)))) == Decimal(str(number))


@pytest.mark.parametrize(
    ("stored", "shown", "is_same"),
    [
        ("1200", "¥1,200", True),
        ("1200", "$1,200.00", True),
        ("-5", "(5.00)", True),
        ("1.1", "1.10", True),
        ("123", "00123", True),
        ("0.5", "50%", False),
        ("1.26", "1.3", False),
        ("5", "PROJ-5", False),
        ("1200", "1.2E+03", False),
        ("5", "five", False),
    ],
)
def test_what_a_spreadsheet_shows_is_the_number_or_another_text(stored, shown, is_same):
    assert is_same_number(stored, shown) is is_same


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("2030-01-31", 1896019200000),
        ("2030/1/31 8:05", 1896048300000),
        ("２０３０年１月３１日", 1896019200000),
        ("2030-01-30T16:00:00Z", 1896019200000),
        ("1896019200000", 1896019200000),
        ("1970-01-02", 57600000),
    ],
)
def test_dates_with_the_year_first_are_read(text, told):
    assert milliseconds_in(text, CHINA) == told


LOOKS_LIKE = [
    ("46053", "2026-01-31: write that"),
    ("46053.75", "2026-01-31 18:00: write that"),
    ("2026", "the year 2026"),
    ("202601", "2026-01: write a day"),
    ("260131", "2026-01-31: write that"),
    ("20260131", "2026-01-31: write that"),
    ("202601311805", "2026-01-31 18:05: write that"),
    ("20260131180500", "2026-01-31 18:05:00: write that"),
    ("1893456000", "seconds of 2030-01-01"),
    ("1893456000000000", "microseconds of 2030-01-01"),
    ("1893456000000000000", "nanoseconds of 2030-01-01"),
    ("0", "in 1970"),
    ("-1", "in 1969"),
    ("99999999999999999999", "beyond any calendar"),
]


@pytest.mark.parametrize(("text", "hint"), LOOKS_LIKE)
def test_a_bare_number_is_refused_with_what_it_looks_like(text, hint):
    with pytest.raises(DateError) as refused:
        milliseconds_in(text, CHINA)
    assert hint in str(refused.value)


@given(st.integers(-(10**20), 10**20))
def test_no_number_becomes_a_date_of_another_time(number):
    with suppress(DateError):
        assert milliseconds_in(str(number), CHINA) == number
        assert number in PLAUSIBLE


@pytest.mark.parametrize("text", ["tomorrow", "1/31/2030", "31.01.2030", "2030-13-01", "2030-02-30", "1899-12-30", ""])
def test_what_is_no_date_is_refused(text):
    with pytest.raises(DateError):
        milliseconds_in(text, CHINA)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("12/24/2026", "it may be 2026-12-24: write that"),
        ("24.12.2026", "it may be 2026-12-24: write that"),
        ("12/24/2026 10:30", "it may be 2026-12-24: write that"),
        ("4/4/2026", "it may be 2026-04-04: write that"),
        ("3/4/2026", "it may be 2026-03-04 or 2026-04-03: write the intended one"),
        ("3-4-2026", "it may be 2026-03-04 or 2026-04-03: write the intended one"),
        ("12/24/26", "write the year first, with four digits"),
        ("13/13/2026", ""),
        ("3/4.2026", ""),
    ],
)
def test_a_date_with_its_year_last_is_refused_with_its_readings(text, hint):
    with pytest.raises(DateError) as refused:
        milliseconds_in(text, CHINA)
    assert str(refused.value) == hint


PEOPLE = [
    ("lilei@example.com", "lilei@example.com"),
    (" lilei@example.com ", "lilei@example.com"),
    ("Li Lei <lilei@example.com>", "lilei@example.com"),
    ('"Li, Lei" <lilei@example.com>', "lilei@example.com"),
    ("李雷<mailto:lilei@example.com>", "lilei@example.com"),
    ("mailto:lilei@example.com", "lilei@example.com"),
    ("lilei＠example.com", "lilei@example.com"),
    ("7300000000000000001", "7300000000000000001"),
    ("lilei", "lilei"),  # whether somebody has it as a key, only a look-up tells
]


@pytest.mark.parametrize(("text", "word"), PEOPLE)
def test_an_address_or_a_key_is_found(text, word):
    assert person_in(text) == word


WORDS = {
    "7300000000000000001": "7300000000000000001",
    "lilei@example.com": "lilei@example.com",
    "mailto:meimei@example.com": "meimei@example.com",
    "Li Lei <lilei@example.com>": "lilei@example.com",
    '"Li, Lei" <lilei@example.com>': "lilei@example.com",
    '"Li; Lei"<mailto:lilei@example.com>': "lilei@example.com",
}


@pytest.mark.parametrize("separator", [",", ";", "，", "；", "、", "\n", ", ", " ; ", "；\n"], ids=ascii)
@pytest.mark.parametrize("second", WORDS)
@pytest.mark.parametrize("first", WORDS)
def test_a_separator_stands_between_two_people_with_and_without_a_space(first, second, separator):
    assert [person_in(part) for part in people_in(f"{first}{separator}{second}")] == [WORDS[first], WORDS[second]]


@pytest.mark.parametrize("text", ["Li, Lei <lilei@example.com>", "李雷，研发部<lilei@example.com>"])
def test_the_name_before_one_address_may_contain_a_comma(text):
    assert people_in(text) == ["lilei@example.com"]


@pytest.mark.parametrize("text", ["7300000000000000001,lilei@example.com", "Han Meimei; Li Lei <lilei@example.com>"])
def test_two_people_are_never_read_as_one(text):
    with pytest.raises(PersonError):
        person_in(text)
    assert len(people_in(text)) == 2


NOBODY = [
    ("#N/A", "an error of a spreadsheet"),
    ("TBD", "placeholder"),
    ("-", "placeholder"),
    ("N/A", "placeholder"),
    ("待定", "placeholder"),
    ("None", "placeholder"),
    ("nan", "no value"),
    ("7.30E+18", "rounded"),
    ("7.3e18", "rounded"),
    ("7300000000000000000.0", "rounded"),
    ("['7300000000000000001', '7300000000000000002']", "is not a JSON list"),
    ("ou_84aad35d084aa403a838cf73ee18467", "open id"),
    ("on_94a1ee5551019f18cd73d9f111898cf2", "open id"),
    ("李雷", "by name"),
    ("Han Meimei", "by name"),
]


@pytest.mark.parametrize(("text", "reason"), NOBODY)
def test_what_can_be_nobody_is_refused_with_the_reason(text, reason):
    with pytest.raises(PersonError, match=reason):
        person_in(text)


FAILURES = [
    *("#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!", "#SPILL!", "#CALC!", "#FIELD!", "#BUSY!"),
    *("#ERROR!", "#BEZUG!", "#NV", "#¡VALOR!", "#¿NOMBRE?", "#名称?", "Err:502", "错误:504", "########", "##", "＃N/A"),
    *("NaN", "nan", "-inf", "Infinity", "<NA>", "NaT", "None", "null", "NULL", "\\N", "undefined", "1.#QNAN"),
]


@pytest.mark.parametrize("text", FAILURES)
def test_errors_and_words_for_nothing_are_known(text):
    assert failure_in(text)
    assert failure_in(f" {text}\u00a0")


@pytest.mark.parametrize(
    "text", ["#123", "# heading", "### heading", "#1!", "none", "N/A", "Nano", "information", "#wow!", "-1", "E", "P1"]
)
def test_ordinary_texts_are_no_failures(text):
    assert failure_in(text) is None


def test_names_are_compared_by_what_is_seen():
    assert one_line(" Story\u00a0points\u200b\n") == "Story points"
    assert one_line("Ｐ１") == "P1"
    assert odd_character("Due\u3000date") == "U+3000 (ideographic space)"
    assert odd_character("plain words") is None
