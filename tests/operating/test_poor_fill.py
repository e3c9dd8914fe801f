"""Waiting requests are called nearly empty only where it matters. Pure."""

import pytest

from worker.ledger.reads.ledger import LaneFigures
from worker.ledger.records import LaneCounts
from worker.operating.views import LaneView


def view(ready, groups):
    figures = LaneFigures(
        now=0,
        ready=ready,
        ready_groups=groups,
        waiting_since=None,
        slots_taken=0,
        single_groups=0,
        single_changes=0,
        to_look_at=0,
        recent=(),
    )
    return LaneView("default", None, LaneCounts(**dict.fromkeys(LaneCounts.__slots__, 0)), figures, ())


@pytest.mark.parametrize(
    ("ready", "groups", "is_poor"),
    [
        ((), 0, False),
        ((1,) * 59, 59, False),  # soon done
        ((1,) * 60, 60, True),
        ((9,) * 60, 60, True),
        ((10,) * 60, 60, False),  # a fifth
        ((5000,) * 60, 60, False),
        ((1,) * 2000, 15_000, True),  # groups beyond those that are counted
    ],
)
def test_a_fifth_of_the_places_in_sixty_requests(ready, groups, is_poor):
    assert view(ready, groups).is_poor is is_poor


def test_groups_that_were_not_counted_have_a_change_each():
    found = view((1,) * 2000, 15_000)
    assert (found.ready_changes, found.requests_left) == (15_000, 15_000)
