"""Which run is due: decided from the record and the time alone."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.schedules import ScheduleEntry
from worker.scheduling.records import LATE, MOST_ATTEMPTS, Record, Run, RunState, decide, record_of

NINE = 1_795_489_200.0  # a full hour
HOUR = 3600.0


def entry(**more):
    return ScheduleEntry.model_validate({"name": "x", "every": "1h", "command": ["x"], **more})


def seen(due=NINE, **more):
    return Record(entry().times.definition, due, **more)


def ran(state=RunState.ENDED, **more):
    return Run(NINE, NINE, state=state, **more)


def decided(record, now, is_alive=False, **more):
    return decide(entry(**more), record, now, is_alive=is_alive)


def test_what_is_seen_for_the_first_time_does_not_run_for_what_was_before():
    first = decided(None, NINE + 60)
    assert first.record == seen()
    assert first.start is None
    assert decided(first.record, NINE + 61) is None


def test_other_times_begin_copied():
    other = decide(entry(every="30m"), seen(NINE - 9 * HOUR, run=ran()), NINE + 60, is_alive=False)
    assert other.start is None
    assert (other.record.due, other.record.run) == (NINE, ran())


def test_it_runs_once_at_each_of_its_moments():
    started = decided(seen(run=ran()), NINE + HOUR + 0.1)
    assert started.start == Run(NINE + HOUR, NINE + HOUR + 0.1)
    assert started.record.run == started.start
    assert decided(started.record, NINE + HOUR + 0.2, is_alive=True) is None


@pytest.mark.parametrize("missed", ["run", "skip"])
def test_what_was_missed_runs_once_or_is_left_out(missed):
    now = NINE + 5 * HOUR + LATE + 1
    late = decided(seen(run=ran()), now, missed=missed)
    if missed == "run":
        assert late.start == Run(NINE + 5 * HOUR, now)
    else:
        assert (late.start, late.record.skipped, late.record.due) == (None, NINE + 5 * HOUR, NINE + 5 * HOUR)
        assert "missed" in late.record.reason
    assert decided(late.record, now + 1, is_alive=True, missed=missed) is None
    assert decided(seen(run=ran()), now - 2, missed=missed).start  # a little late is not missed


@pytest.mark.parametrize("state", [RunState.RUNNING, RunState.OPEN])
def test_while_the_run_before_has_not_ended_the_next_is_left_out(state):
    over = decided(seen(run=ran(state, intents=7, checked=2)), NINE + HOUR, is_alive=True)
    assert (over.start, over.record.skipped) == (None, NINE + HOUR)
    assert "has not ended" in over.record.reason
    assert ("5 of its 7 intents are open" in over.record.reason) is (state is RunState.OPEN)


def test_with_queue_one_run_waits_and_comes_when_the_other_has_ended_however_late():
    first = decided(seen(run=ran(RunState.OPEN)), NINE + HOUR, overlap="queue", missed="skip")
    assert (first.start, first.record.waits) == (None, True)
    second = decided(first.record, NINE + 2 * HOUR, overlap="queue", missed="skip")
    assert (second.start, second.record.due) == (None, NINE + 2 * HOUR)  # they do not pile up
    assert decided(second.record, NINE + 2.5 * HOUR, overlap="queue", missed="skip") is None
    over = replace(second.record, run=ran(RunState.ENDED))
    begun = decided(over, NINE + 2.9 * HOUR, overlap="queue", missed="skip")
    assert begun.start.due == NINE + 2 * HOUR
    assert not begun.record.waits


def test_a_run_whose_worker_is_gone_is_carried_out_again_but_not_for_ever():
    record, attempts = seen(run=ran(RunState.RUNNING)), [1]
    while (again := decided(record, NINE + 20)).start:
        record = again.record
        attempts.append(again.start.attempt)
        assert again.start.due == NINE
    assert attempts == [1, *range(2, MOST_ATTEMPTS + 1)]
    assert again.record.run.state is RunState.FAILED
    assert decided(again.record, NINE + 21) is None


@given(
    st.builds(
        Record,
        st.text(max_size=9),
        st.floats(0, 4e9),
        waits=st.booleans(),
        run=st.none() | st.builds(Run, st.floats(0, 4e9), st.floats(0, 4e9), state=st.sampled_from(RunState)),
        skipped=st.none() | st.floats(0, 4e9),
        reason=st.text(max_size=9),
    )
)
def test_a_record_is_read_back_as_it_was_written(record):
    assert record_of(record.to_json()) == record
