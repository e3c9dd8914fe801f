"""When to ask for a job, and how long to pause after failures."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.pipeline.polling import (
    ENOUGH,
    FIRST_GUESS,
    LONGEST_GAP,
    TOLERATED_LAG,
    TOLERATED_SHARE,
    back_off,
    estimated_duration,
    next_poll_delay,
    size_class,
    tolerated_lag,
)

durations = st.lists(st.floats(0.01, 1000), max_size=64)


@pytest.mark.parametrize(("items", "expected"), [(1, 0), (2, 1), (3, 2), (4, 2), (5, 3), (8, 3), (9, 4), (50, 6)])
def test_jobs_of_about_the_same_size_share_their_statistics(items, expected):
    assert size_class(items) == expected


def test_without_experience_the_first_look_is_a_guess_and_the_gaps_grow_with_age():
    assert next_poll_delay(0.0, [], 1.0) == FIRST_GUESS
    assert [next_poll_delay(age, [], 1.0) for age in (1, 10, 40, 10_000)] == [1, 5, 20, LONGEST_GAP]


def test_with_experience_the_first_look_is_when_most_such_jobs_are_done():
    known = [float(seconds) for seconds in range(1, 11)]
    assert next_poll_delay(0.0, known, 1.0) == 9


def test_with_a_bound_on_the_lag_the_first_look_is_that_long_after_the_first_jobs_end():
    known = [float(seconds) for seconds in range(1, 11)]
    assert next_poll_delay(0.0, known, 1.0, 3.0) == 4
    assert next_poll_delay(0.0, known, 1.0, 30.0) == 9, "but not after most of them are done"
    assert next_poll_delay(20.0, known, 1.0, 3.0) == 5
    assert next_poll_delay(8.0, [2.0] * 64, 1.0, 3.0) == 3


@given(age=st.floats(0, 10_000), known=durations, gap=st.floats(0.01, 10))
def test_a_bound_on_the_lag_never_makes_a_look_later_while_something_is_known(age, known, gap):
    if sum(duration > age for duration in known) >= ENOUGH:
        assert gap <= next_poll_delay(age, known, gap, tolerated_lag(known)) <= next_poll_delay(age, known, gap)


def test_the_tolerated_lag_grows_with_what_such_jobs_take():
    assert tolerated_lag([2.0] * (ENOUGH - 1)) is None
    assert tolerated_lag([2.0] * ENOUGH) == TOLERATED_LAG
    assert tolerated_lag([100.0] * ENOUGH) == 100 * TOLERATED_SHARE


def test_a_job_that_outlives_all_others_is_looked_at_more_and_more_rarely():
    assert next_poll_delay(20.0, [2.0] * 64, 1.0) == 10


@given(age=st.floats(0, 10_000), known=durations, gap=st.floats(0.01, 10))
def test_the_next_look_is_never_sooner_than_a_slot_and_never_without_bound(age, known, gap):
    delay = next_poll_delay(age, known, gap)
    assert min(gap, FIRST_GUESS) <= delay <= max(gap, LONGEST_GAP, *known, FIRST_GUESS)


def test_a_few_odd_durations_are_no_experience():
    assert next_poll_delay(0.0, [500.0] * (ENOUGH - 1), 1.0) == FIRST_GUESS


def test_a_job_ended_between_two_looks():
    assert estimated_duration(2.0, 4.0) == 3.0


def test_pauses_double_and_are_bounded():
    assert [back_off(n, 0.5, 60) for n in (-1, 0, 1, 2, 3, 8, 10**6)] == [0, 0, 0.5, 1, 2, 60, 60]


def test_a_job_that_tells_its_progress_is_looked_at_when_it_should_be_over():
    known = [float(seconds) for seconds in range(1, 41)]
    assert next_poll_delay(8.0, known, 1.0, 3.0, progress=0.5) == pytest.approx(8 / 0.575 - 8)
    assert next_poll_delay(8.0, known, 1.0, 3.0, progress=1.0) == 1.0, "nearly over"
    assert next_poll_delay(8.0, known, 1.0, 3.0, progress=0.02) == 29.0, "not after most such jobs are over"
    assert next_poll_delay(8.0, [], 1.0, progress=0.001) == LONGEST_GAP
