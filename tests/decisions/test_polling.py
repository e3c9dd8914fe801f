"""When to ask for a job, and how long to pause after failures."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.decisions.polling import (
    ENOUGH,
    FIRST_GUESS,
    LONGEST_GAP,
    back_off,
    estimated_duration,
    first_look,
    next_look,
    size_class,
)

durations = st.lists(st.floats(0.01, 1000), max_size=64)


@pytest.mark.parametrize(("items", "expected"), [(1, 0), (2, 1), (3, 2), (4, 2), (5, 3), (8, 3), (9, 4), (50, 6)])
def test_jobs_of_about_the_same_size_share_their_statistics(items, expected):
    assert size_class(items) == expected


def test_without_experience_the_first_look_is_a_guess_and_the_gaps_grow_with_age():
    assert first_look([], 1.0) == FIRST_GUESS
    assert [next_look(age, [], 1.0) for age in (1, 10, 40, 10_000)] == [1, 5, 20, LONGEST_GAP]


def test_a_few_odd_durations_are_no_experience():
    assert first_look([500.0] * (ENOUGH - 1), 1.0) == FIRST_GUESS
    assert next_look(4.0, [500.0] * (ENOUGH - 1), 1.0) == 2.0


def test_the_first_look_is_a_little_after_the_first_jobs_end_but_not_after_most_have():
    assert first_look([float(seconds) for seconds in range(1, 11)], 1.0) == 2 + 0.4 * 6
    assert first_look([float(seconds) for seconds in range(10, 110, 10)], 1.0) == 20 + 0.4 * 60
    assert first_look([1.0] * 64, 1.0) == 1.0


def test_the_next_look_is_half_of_the_usual_time_later():
    assert next_look(25.0, [20.0, *[10.0] * 63, 40.0], 1.0) == 5
    assert next_look(3.0, [2.0] * 63 + [9.0], 1.0) == 2, "and two seconds at least"


def test_a_job_that_outlives_all_others_is_looked_at_more_and_more_rarely():
    assert [next_look(age, [2.0] * 64, 1.0) for age in (3, 20, 1000)] == [2, 5, LONGEST_GAP]


@given(age=st.floats(0.01, 10_000), known=durations, gap=st.floats(0.01, 10), progress=st.floats(0, 1))
def test_a_look_is_never_sooner_than_a_slot_and_never_without_bound(age, known, gap, progress):
    latest = max(gap, LONGEST_GAP, FIRST_GUESS, *known)
    assert gap <= next_look(age, known, gap, progress) <= latest
    assert min(gap, FIRST_GUESS) <= first_look(known, gap) <= latest


def test_a_job_ended_between_two_looks():
    assert estimated_duration(2.0, 4.0) == 3.0


def test_pauses_double_and_are_bounded():
    assert [back_off(n, 0.5, 60) for n in (-1, 0, 1, 2, 3, 8, 10**6)] == [0, 0, 0.5, 1, 2, 60, 60]


def test_a_job_that_tells_its_progress_is_looked_at_when_it_should_be_over():
    known = [float(seconds) for seconds in range(1, 41)]
    assert next_look(8.0, known, 1.0, progress=0.5) == pytest.approx(8 / 0.575 - 8)
    assert next_look(8.0, known, 1.0, progress=1.0) == 1.0, "nearly over"
    assert next_look(8.0, known, 1.0, progress=0.02) == 29.0, "not after most such jobs are over"
    assert next_look(8.0, [], 1.0, progress=0.001) == LONGEST_GAP
