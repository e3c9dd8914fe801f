"""The pace of reads, and what happens after trouble."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.catalogue.lane_reading import SENDERS, read_slot
from worker.reading.item_reads import ItemsRead, ReadingRun
from worker.reading.wanted_cells import ReadPlace
from worker.remote.errors import LaneStopped, NotExecuted, SpaceRefused
from worker.remote.models import WorkItem


@given(st.floats(2 * SENDERS, 1000))
def test_a_second_has_room_for_requests_that_are_late(per_second):
    departures = 1 / read_slot(per_second)
    assert departures + SENDERS <= per_second * (1 + 1e-9)
    assert departures >= per_second / 2


class Wanted:
    fields = ("priority",)

    def __init__(self, item, lane="a", type_key="story", user=""):
        self.items = [item]
        self.place = ReadPlace(lane, "p", type_key, user)


class FakeReads:
    """Raises what the test says for an item."""

    def __init__(self, errors=None):
        self.errors, self.asked, self.stopped = errors or {}, [], False

    def read(self, _place, ids, _fields):
        self.asked += ids
        if error := self.errors.get(ids[0]):
            raise error
        return [WorkItem(ids[0], {})]

    def stop(self):
        self.stopped = True


def read(wanted, **lanes):
    run = ReadingRun(lanes)
    return run, [(one.items[0], answer.trouble) for one, answer in run.read(wanted)]


def test_answers_come_in_the_order_of_the_questions_and_all_is_ended():
    lane = FakeReads()
    run, found = read([Wanted(item) for item in range(1, 51)], a=lane)
    assert found == [(item, "") for item in range(1, 51)]
    assert (run.requests, run.failed, lane.stopped) == (50, 0, True)


@pytest.mark.parametrize(
    ("error", "most"), [(LaneStopped("no right", code=10301), SENDERS), (NotExecuted("no answer"), 2 + SENDERS)]
)
def test_what_would_repeat_is_not_asked_for_every_item(error, most):
    lane = FakeReads(dict.fromkeys(range(1, 51), error))
    other = FakeReads()
    run, found = read([Wanted(item) for item in range(1, 51)] + [Wanted(60, "b")], a=lane, b=other)
    assert len(lane.asked) <= most
    assert {trouble for _, trouble in found[:-1]} == {
        f"could not be read: {error.message}{' (code 10301)' if error.code else ''}"
    }
    assert found[-1] == (60, "")
    assert run.failed == len(lane.asked)


def test_a_refused_space_or_user_does_not_stop_the_rest_of_the_lane():
    errors = {1: SpaceRefused("gone"), 2: LaneStopped("inactive")}
    lane = FakeReads(errors)
    wanted = [Wanted(1, type_key="x"), Wanted(2, user="u"), *(Wanted(item) for item in range(3, 20))]
    _, found = read([*wanted, Wanted(30, type_key="x"), Wanted(31, user="u")], a=lane)
    assert [trouble for _, trouble in found[2:-2]] == [""] * 17
    assert [trouble for _, trouble in found[-2:]] == ["could not be read: gone", "could not be read: inactive"]
    assert not {30, 31} & set(lane.asked)


def test_nothing_to_read_asks_nothing():
    run, found = read([], a=FakeReads())
    assert (run.requests, found) == (0, [])
    assert ItemsRead().items == {}
