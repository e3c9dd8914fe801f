from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.remote.retry_after import LONGEST_RETRY_AFTER, retry_after

NOW = 1_790_000_000.0
ANSWERED = formatdate(NOW - 3600, usegmt=True)  # the remote system's clock is an hour behind


@pytest.mark.parametrize(
    ("header", "date", "expected"),
    [
        ("7", None, 7),
        (" 0.5 ", None, 0.5),
        ("86400", None, LONGEST_RETRY_AFTER),
        (formatdate(NOW + 20, usegmt=True), None, 20),
        (formatdate(NOW - 3600 + 20, usegmt=True), ANSWERED, 20),
        (formatdate(NOW - 3600 + 20).replace("-0000", "GMT"), ANSWERED, 20),
        (formatdate(NOW + 10**8, usegmt=True), ANSWERED, LONGEST_RETRY_AFTER),
        (formatdate(NOW - 60, usegmt=True), None, 0),
        *((junk, ANSWERED, 0) for junk in (None, "", "soon", "-5", "nan", "-inf", "Mon, 99 Nop 2026", "0")),
        ("inf", None, LONGEST_RETRY_AFTER),
    ],
)
def test_an_answer_can_ask_for_a_pause_in_seconds_or_until_a_date(header, date, expected):
    assert retry_after(header, date, NOW) == pytest.approx(expected, abs=1)


@given(st.text(), st.none() | st.text())
def test_whatever_stands_in_the_header_is_a_bounded_number_of_seconds(header, date):
    assert 0 <= retry_after(header, date, NOW) <= LONGEST_RETRY_AFTER
