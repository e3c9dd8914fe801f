"""Which remote system a ledger's lanes work for: who is refused, and `rebind`."""

import pytest

from config.errors import ConfigError
from config.lanes import LaneConfig, Lanes
from worker.ledger.belonging import Belonging
from worker.processes.belonging import admit, objections, remote_of

HERE, THERE = "https://here.example", "https://there.example"
SWEEP = 2.0


def lanes(base_url=HERE, plugin="p", name="default"):
    lane = {"name": name, "base_url": base_url, "plugin_id": plugin, "plugin_secret": "s", "user_key": "u"}
    return Lanes(lanes=(LaneConfig(**lane),))


@pytest.fixture
def belonging(redis, prefix):
    return Belonging(redis, prefix)


def no_wait(_seconds):
    pass


def test_a_new_ledger_belongs_to_the_first_who_comes(belonging):
    admit(belonging, lanes(), SWEEP, no_wait)
    assert belonging.look([]).lanes["default"].remote.host == "here.example"
    admit(belonging, lanes(), SWEEP, no_wait)
    admit(belonging, lanes("https://HERE.example:443/open_api"), SWEEP, no_wait)  # the same


def test_an_idle_ledger_may_be_moved(belonging):
    admit(belonging, lanes(), SWEEP, no_wait)
    admit(belonging, lanes(THERE, "another"), SWEEP, no_wait)
    assert belonging.look([]).lanes["default"].remote.host == "there.example"


def test_open_work_is_not_sent_elsewhere(belonging, command, ledger):
    admit(belonging, lanes(), SWEEP, no_wait)
    command.enqueue(1)
    with pytest.raises(
        ConfigError, match=r"has 1 open intent for here\.example, and these settings name there\.example"
    ):
        admit(belonging, lanes(THERE), SWEEP, no_wait)
    ledger.take_in()
    with pytest.raises(ConfigError, match="feishu-batch rebind --lane default"):
        admit(belonging, lanes(THERE), SWEEP, no_wait)
    admit(belonging, lanes(plugin="rotated"), SWEEP, no_wait)  # the same remote system
    ledger.do_all()
    admit(belonging, lanes(THERE), SWEEP, no_wait)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        (lanes(THERE), "served by workers with the remote system"),
        (lanes(plugin="other"), "served by workers with another plugin"),
        (lanes(name="second"), "has the same plugin as lane second"),
    ],
)
def test_while_a_lane_is_swept_others_are_refused(belonging, redis, prefix, settings, why):
    admit(belonging, lanes(), SWEEP, no_wait)
    key, moments = f"{prefix}:{{default}}:swept-at", iter(range(100))

    def sweep_meanwhile(_seconds):
        seconds, micros = redis.time()
        redis.set(key, f"{seconds + micros / 1e6 + next(moments) / 1000:.3f}")

    sweep_meanwhile(0)
    with pytest.raises(ConfigError, match=why):
        admit(belonging, settings, SWEEP, sweep_meanwhile)
    admit(belonging, settings, SWEEP, no_wait)  # nobody sweeps any more: the workers have ended


def test_two_that_come_at_the_same_moment_do_not_both_get_it(belonging):
    seen = belonging.look(["default"])
    [first], [second] = lanes().lanes, lanes(THERE).lanes
    assert belonging.note({"default": remote_of(first)}, seen)
    assert not belonging.note({"default": remote_of(second)}, seen)


def test_a_lane_that_is_refused_for_its_own_fault_is_no_strangers(belonging):
    admit(belonging, lanes(name="faulty"), SWEEP, no_wait)
    ours = {"default": belonging.look([]).lanes["faulty"].remote}
    signs = belonging.look(ours)
    assert list(objections(ours, signs, {"faulty"})) == []
    assert len(list(objections(ours, signs))) == 1


def test_rebind_says_where_the_open_work_goes(belonging, command, ledger):
    admit(belonging, lanes(), SWEEP, no_wait)
    command.enqueue(1)
    ledger.take_in()
    command.env |= {
        f"FEISHU_BATCH_{name}": value
        for name, value in {"BASE_URL": THERE, "PLUGIN_ID": "p", "PLUGIN_SECRET": "s", "USER_KEY": "u"}.items()
    }
    done = command("rebind", "--lane", "default")
    assert done.exit_code == 0
    assert "lane default: its work goes to there.example (1 open intent)" in done.stdout
    admit(belonging, lanes(THERE), SWEEP, no_wait)


def test_workers_that_start_together_with_another_plugin_do_not_refuse_each_other(belonging, redis, prefix):
    """The first of them has recorded the lane anew and swept it, while the second still waits for the dead to sweep."""
    admit(belonging, lanes(), SWEEP, no_wait)
    replacement = lanes(plugin="other")

    def the_first_is_admitted(_seconds):
        seconds, micros = redis.time()
        admit(belonging, replacement, SWEEP, no_wait)
        redis.set(f"{prefix}:{{default}}:swept-at", f"{seconds + micros / 1e6:.3f}")

    redis.set(f"{prefix}:{{default}}:swept-at", f"{redis.time()[0]:.3f}")
    admit(belonging, replacement, SWEEP, the_first_is_admitted)
    assert belonging.look([]).lanes["default"].remote == remote_of(replacement.lanes[0])
