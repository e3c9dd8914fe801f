import random

import pytest

from sandbox.faults import FaultError, FaultRule, Faults, parse_rule
from sandbox.jobs import draw_course
from sandbox.limits import Limiter, fits
from sandbox.server import parse_options
from sandbox.world import WorldError, build_world, load_world


def test_a_gap_of_exactly_the_window_fits():
    assert fits([10.0], 11.0, 1.0, limit=1)
    assert not fits([10.0], 10.999, 1.0, limit=1)


def test_the_window_slides_over_borders_of_seconds():
    fifteen = [0.9 + i / 1000 for i in range(15)]
    assert not fits(fifteen, 1.1, 1.0, limit=15)
    assert fits(fifteen, 1.9005, 1.0, limit=15)


def test_a_rejected_arrival_does_not_prolong_the_window():
    limiter = Limiter(1.0)
    assert [limiter.admit("batch_update", "p", at) for at in (0.0, 0.6, 1.0)] == [True, False, True]


def test_each_endpoint_and_each_plugin_has_its_own_window():
    limiter = Limiter(1.0)
    assert limiter.admit("batch_update", "p", 0.0)
    assert limiter.admit("task_result", "p", 0.0)
    assert limiter.admit("batch_update", "q", 0.0)


def test_the_report_knows_the_smallest_gap():
    limiter = Limiter(1.0)
    for at in (0.0, 1.5, 2.6):
        limiter.admit("batch_update", "p", at)
    assert limiter.logs["batch_update", "p"].minimal_gap() == pytest.approx(1.1)


def test_a_job_lands_every_item_once_in_random_order():
    items = tuple(range(1, 51))
    course = draw_course(random.Random(1), items, at=100.0, median=2.0, sigma=0.5)
    times = [at for at, _ in course.landings]
    landed = [item for _, item in course.landings]
    assert sorted(landed) == list(items)
    assert landed != list(items)
    assert times == sorted(times)
    assert 100.0 <= course.starts_at <= times[0]
    assert course.ends_at == times[-1]


def test_the_same_seed_draws_the_same_course():
    assert draw_course(random.Random(7), (1, 2, 3), 0.0, 1.0, 0.5) == draw_course(
        random.Random(7), (1, 2, 3), 0.0, 1.0, 0.5
    )


def test_faults_are_read_from_short_texts():
    assert parse_rule("drop_after=0.05") == FaultRule("drop_after", probability=0.05)
    assert parse_rule("task_result:not_exist=3x,skip=2") == FaultRule("not_exist", "task_result", count=3, skip=2)
    assert parse_rule("hang_before=1x,seconds=2.5").seconds == 2.5


@pytest.mark.parametrize("wrong", ["drop_after", "nonsense=1x", "drop_after=often", "drop_after=1x,colour=3"])
def test_a_fault_that_makes_no_sense_is_named(wrong):
    with pytest.raises(FaultError):
        parse_rule(wrong)


def test_a_counted_fault_fires_so_many_times_after_what_it_skips():
    faults = Faults([FaultRule("drop_before", "batch_update", count=2, skip=1)], random.Random(0))
    fired = [faults.draw("batch_update", ("drop_before",)) is not None for _ in range(5)]
    assert fired == [False, True, True, False, False]
    assert faults.draw("task_result", ("drop_before",)) is None
    assert faults.fired == {"batch_update:drop_before": 2}


def test_the_demo_world_has_what_its_users_rely_on():
    demo = load_world().project("demo")
    assert demo.key == "5f0c1a2b3c4d5e6f70818283"
    assert demo.item(2500).type_key == "story"
    assert demo.item(6000).type_key == "issue"
    assert demo.item(2501) is None
    assert demo.item(1013).refuse == "WorkItemTerminated"
    assert demo.item(1042).refuse == "NoPermissionToModify"
    assert demo.item(1013).type_key == "story"


def test_an_item_without_a_type_is_named():
    project = {"project_key": "5f", "simple_name": "x", "name": "x", "types": {}, "fields": [], "items": [{"id": 5}]}
    with pytest.raises(WorldError, match="Item 5"):
        build_world({"projects": [project]})


def test_the_options_of_the_command_reach_the_settings():
    options = parse_options(["--latency", "0.01:0.03", "--job-median", "0", "--fault", "drop_after=1x"])
    assert options.settings.latency == (0.01, 0.03)
    assert options.settings.job_median == 0
    assert options.settings.faults == [FaultRule("drop_after", count=1)]


def test_a_refusal_without_its_code_says_what_is_missing():
    with pytest.raises(FaultError, match="refuse needs the code"):
        parse_rule("batch_update:refuse=1x")
    with pytest.raises(FaultError, match="refuse, error_before, error_after, error_late take a code, not drop_after"):
        parse_rule("drop_after=1x,code=20050")
