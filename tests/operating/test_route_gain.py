"""What single updates would give is said where it matters, with what it costs. Pure."""

from dataclasses import replace

import pytest

from tests.operating.test_poor_fill import view
from worker.cli.route_words import with_singles
from worker.ledger.single_route import SingleState
from worker.operating.route_gain import RoutePlan, by_both, gain, is_worth_it


@pytest.mark.parametrize(
    ("groups", "batches", "singles"),
    [
        ([(1, True)] * 10, 0, 10),
        ([(13, True), (14, True)], 1, 13),
        ([(1, False), (51, True)], 3, 0),
        ([], 0, 0),
    ],
)
def test_small_groups_go_singly_where_their_type_allows_it(groups, batches, singles):
    assert by_both(groups, 13) == RoutePlan(batches, singles)


def test_both_routes_work_at_the_same_time():
    assert RoutePlan(batches=100, singles=130).seconds(slot=1.0, rate=13) == 100
    assert RoutePlan(batches=5, singles=1300).seconds(slot=1.0, rate=13) == 100
    assert RoutePlan(batches=5, singles=0).seconds(slot=1.0, rate=0) == 5


def test_ten_thousand_different_values():
    poor = replace(view((1,) * 2000, 10_000), single_share=1.0)
    both = gain(poor, 1.0)
    assert both == RoutePlan(batches=0, singles=10_000)
    told = with_singles(both, poor.requests_left, 1.0)
    assert "about 13 min" in told
    assert "as many requests" in told
    assert "FEISHU_BATCH_SINGLE_UPDATES_PER_SECOND=13" in told


@pytest.mark.parametrize(
    ("share", "state"),
    [(0.0, SingleState(0)), (1.0, SingleState(13)), (1.0, SingleState(13, 60.0, "refused"))],
)
def test_what_cannot_help_or_is_on_already_is_not_offered(share, state):
    assert gain(replace(view((1,) * 2000, 10_000), single_share=share, singles=state), 1.0) is None


def test_work_that_is_soon_done_is_not_worth_a_setting():
    assert not is_worth_it(59, RoutePlan(0, 59), 1.0, 13)
    assert is_worth_it(60, RoutePlan(0, 60), 1.0, 13)
    assert not is_worth_it(100, RoutePlan(90, 10), 1.0, 13)  # hardly faster
