"""The arithmetic of pacing, in virtual time: seeded, without sleeping."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pacing.route import Route
from worker.pacing.spacing import MARGIN, MAX_PENALTY, TRUSTED_FROM, WINDOW, Spacing

FAST = (0.005, 0.020)
SLOW = (0.020, 0.300)
SEEDS = range(5)
PERMILLE = 1e-3


@pytest.mark.parametrize(("leg", "least_use"), [(FAST, 0.98), (SLOW, 0.75)], ids=["5-20 ms", "20-300 ms"])
def test_requests_hardly_ever_arrive_too_close_and_hardly_a_slot_is_wasted(leg, least_use):
    routes = [Route(seed=seed).send(2000, leg, leg) for seed in SEEDS]
    assert sum(route.too_close for route in routes) <= PERMILLE * 2000 * len(routes)
    assert min(route.use for route in routes) >= least_use


@pytest.mark.parametrize("legs", [(FAST, SLOW), (SLOW, FAST)], ids=["slow way back", "slow way there"])
def test_a_route_may_be_slower_one_way_than_the_other(legs):
    route = Route().send(2000, *legs)
    assert route.too_close <= PERMILLE * 2000
    assert route.use >= 0.75


@pytest.mark.parametrize("seed", SEEDS)
def test_a_route_that_becomes_faster_costs_one_early_request_at_most(seed):
    route = Route(seed=seed).send(500, SLOW, SLOW)
    before = route.too_close
    route.send(100, FAST, FAST)
    assert route.too_close - before <= 1


@pytest.mark.parametrize("seed", SEEDS)
def test_a_route_that_becomes_slower_costs_time_and_no_early_request(seed):
    route = Route(seed=seed).send(500, FAST, FAST)
    before = route.too_close
    route.send(WINDOW, SLOW, SLOW)
    assert route.too_close == before


def test_lost_answers_cost_their_time_out_and_nothing_else():
    routes = [Route(seed=seed).send(2000, FAST, FAST, lost=0.05) for seed in SEEDS]
    assert sum(route.too_close for route in routes) <= PERMILLE * 2000 * len(routes)


def test_without_a_limit_on_the_other_side_the_pace_is_the_same():
    route = Route(limit=False).send(2000, FAST, FAST)
    assert route.too_close <= PERMILLE * 2000
    assert route.use >= 0.98


def test_a_young_route_is_trusted_with_nothing():
    spacing = Spacing(1.0)
    for _ in range(TRUSTED_FROM - 1):
        spacing.learn(0.2)
        assert spacing.delay_after_answer() > 1.0
    spacing.learn(0.2)
    assert spacing.delay_after_answer() < 1.0


@given(st.lists(st.floats(0.001, 5.0), min_size=1, max_size=200))
def test_the_estimate_is_never_above_the_shortest_round_trip_of_the_window(round_trips):
    spacing = Spacing(1.0)
    for round_trip in round_trips:
        spacing.learn(round_trip)
    assert 0 <= spacing.shortest_round_trip() <= min(round_trips[-WINDOW:])
    assert spacing.delay_after_answer() <= spacing.delay_after_silence()


@given(st.lists(st.booleans(), max_size=100))
def test_a_refusal_widens_the_spacing_and_acceptances_narrow_it_within_bounds(refusals):
    spacing = Spacing(1.0)
    for refused, was_refused in zip(refusals, [False, *refusals], strict=False):
        before = spacing.penalty
        if refused:
            spacing.rejected()
            assert spacing.penalty > before or was_refused or spacing.penalty == MAX_PENALTY
        else:
            spacing.accepted()
            assert spacing.penalty <= before
        assert 0 <= spacing.penalty <= MAX_PENALTY


@pytest.mark.parametrize(
    ("penalty", "most_refused", "longest"), [(2, 3, 6), (5, 4, 18), (10, 5, 35), (30, 6, 68), (60, 7, 130)]
)
def test_a_limiter_that_counts_what_it_refuses_is_escaped_and_the_pace_is_the_old_one_again(
    penalty, most_refused, longest
):
    route = Route(penalty=penalty).send(30, FAST, FAST)
    assert route.refused == 0
    route.closed_until = route.now + penalty  # for whatever reason
    began = route.now
    while not route.refused or route.in_a_row:
        route.send(1, FAST, FAST)
    assert route.refused <= most_refused
    assert route.now - began <= longest
    began, refused = route.now, route.refused
    route.send(30, FAST, FAST)
    assert (route.refused, route.now - began < 31) == (refused, True)


def test_one_refusal_alone_costs_no_pause():
    spacing = Spacing(0.5)
    assert [spacing.pause_after_refusals(n, 20.0) for n in (0, 1, 2, 3, 4, 9, 999)] == [0, 0, 1, 2, 4, 20, 20]


def test_after_fifty_acceptances_nothing_is_left_of_a_refusal():
    spacing = Spacing(1.0)
    spacing.rejected()
    for _ in range(50):
        spacing.accepted()
    assert spacing.penalty == 0.0


def test_the_lag_that_every_request_has_is_taken_off_the_wait():
    spacing = Spacing(slot=1.0)
    for lag in (0.004, 0.003, 0.002, 0.005, 0.003) * 2:
        spacing.learn_lag(lag)
    assert spacing.delay_after_answer() == pytest.approx(1.0 + MARGIN - 0.002)


def test_a_pause_of_the_lane_is_no_lag():
    spacing = Spacing(slot=1.0)
    for _ in range(9):
        spacing.learn_lag(0.5)
    assert spacing.steady_lag() == 0.0
