"""What a spreadsheet program shows of a number or a date, by its format."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.importing.number_formats import BUILTIN, FormatKind, kind_of, shown_moment, shown_number


@pytest.mark.parametrize(
    ("number", "code", "shown"),
    [
        (5, "General", "5"),
        (999_999_999_999_999, "General", "999999999999999"),
        (0.1 + 0.2, "General", "0.3"),
        (1e-7, "General", "0.0000001"),
        (7, 'General"号"', "7号"),
        (5, "@", "5"),
        (123, "00000", "00123"),
        (12, "##0", "12"),
        (0, "#", ""),
        (1200, "#,##0", "1,200"),
        (999, "#,##0", "999"),
        (1234567.891, "#,##0.00", "1,234,567.89"),
        (1.1, "0.00", "1.10"),
        (1.1, "0.0#", "1.1"),
        (2.25, "0.0", "2.3"),
        (3, "0.##", "3."),
        (0.5, "0%", "50%"),
        (0.125, "0.0%", "12.5%"),
        (13800138000, "000-0000-0000", "138-0013-8000"),
        (1234, "0000 0000", "0000 1234"),
        (-5, "0", "-5"),
        (-5, "0;(0)", "(5)"),
        (0, '0;-0;"-"', "-"),
        (5, ";;;", ""),
        (5, "[Red]0", "5"),
        (5, "0_);[Red](0)", "5"),
        (44, "0.0_ ", "44.0"),
        (5, '0"天"', "5天"),
        (1.1, '"v"0.0', "v1.1"),
        (1.1, r"\v0.0", "v1.1"),
        (1234.5, "[$¥-804]#,##0.00", "¥1,234.50"),
        (1234.5, "¥#,##0.00", "¥1,234.50"),
        (1234.5, '"$"#,##0.00', "$1,234.50"),
        (12345, "0.00E+00", "1.23E+04"),
        (0.00012, "0.0E-00", "1.2E-04"),
        (1234567, "0,", "1235"),
        (123456, '#,##0,"千"', "123千"),
        # what depends on a language, or is not certain
        (0.5, "# ?/?", None),
        (5, "[>3]0;0", None),
        (5, "[DBNum1]0", None),
        (12345, "##0.0E+0", None),
        (5, BUILTIN[5], None),
        (5, BUILTIN[44], None),
        (-0.2, "0", None),
        (5, "0 xq", None),
    ],
)
def test_a_number_is_shown_as_its_format_says(number, code, shown):
    assert kind_of(code) is FormatKind.NUMBER
    assert shown_number(number, code) == shown


@pytest.mark.parametrize(
    ("code", "kind", "shown"),
    [
        ("yyyy-mm-dd", FormatKind.DATE, "2026-01-31"),
        ("YYYY-MM-DD HH:MM:SS", FormatKind.DATE, "2026-01-31 09:05:07"),
        ("yyyy/m/d", FormatKind.DATE, "2026/1/31"),
        (r"yyyy/m/d\ h:mm;@", FormatKind.DATE, "2026/1/31 9:05"),
        ("[$-804]yyyy/m/d;@", FormatKind.DATE, "2026/1/31"),
        ('yyyy"年"m"月"d"日"', FormatKind.DATE, "2026年1月31日"),
        (BUILTIN[31], FormatKind.DATE, "2026年1月31日"),
        (BUILTIN[57], FormatKind.DATE, "2026年1月"),
        ("yyyymmdd", FormatKind.DATE, "20260131"),
        ("yyyy-mm", FormatKind.DATE, "2026-01"),
        ("m/d/yy", FormatKind.DATE, "1/31/26"),
        ("mm", FormatKind.DATE, "01"),
        ("h:mm", FormatKind.TIME, "9:05"),
        ("mm:ss", FormatKind.TIME, "05:07"),
        # of the program's own language, or names of months and days
        (BUILTIN[14], FormatKind.DATE, None),
        (BUILTIN[22], FormatKind.DATE, None),
        ("d-mmm-yy", FormatKind.DATE, None),
        ("aaaa", FormatKind.DATE, None),
        ("[$-F800]dddd", FormatKind.DATE, None),
        ("h:mm AM/PM", FormatKind.TIME, None),
        ("yyyy-mm-dd hh:mm:ss.000", FormatKind.DATE, None),
        ("[h]:mm", FormatKind.ELAPSED, None),
    ],
)
def test_a_moment_is_shown_as_its_format_says(code, kind, shown):
    assert kind_of(code) is kind
    assert shown_moment(datetime(2026, 1, 31, 9, 5, 7), code) == shown  # noqa: DTZ001


def test_every_format_that_is_known_by_number_alone_has_a_kind():
    kinds = {number: kind_of(code) for number, code in BUILTIN.items()}
    dates = {14, 15, 16, 17, 22, 27, 28, 29, 30, 31, 36, *range(50, 55), 57, 58}
    times = {18, 19, 20, 21, 32, 33, 34, 35, 45, 47, 55, 56}
    assert {number for number, kind in kinds.items() if kind is FormatKind.DATE} == dates
    assert {number for number, kind in kinds.items() if kind is FormatKind.TIME} == times
    assert [number for number, kind in kinds.items() if kind is FormatKind.ELAPSED] == [46]


@given(st.integers(0, 10**14), st.integers(1, 20))
def test_zeros_in_front_are_as_many_as_the_format_has_places(number, places):
    assert shown_number(number, "0" * places) == str(number).zfill(places)


@given(st.integers(-(10**12), 10**12))
def test_thousands_are_grouped_as_python_groups_them(number):
    assert shown_number(number, "#,##0") == f"{number:,}"


@given(
    st.floats(-1e14, 1e14, allow_nan=False), st.text(st.sampled_from([*'0#?,.%E+-/;[]"\\_*@ymdhsAP$¥ x']), max_size=12)
)
def test_any_format_shows_a_text_or_is_not_certain(number, code):
    kind_of(code)
    assert isinstance(shown_number(number, code), str | None)
    assert isinstance(shown_moment(datetime(2026, 1, 31), code), str | None)  # noqa: DTZ001
