"""Several credentials in the same worker processes: each at its own pace, none held up by another."""

from itertools import pairwise

import pytest

from tests.support.model import intent
from tests.support.stack import SLOT, Stack
from tests.support.waiting import PATIENCE, Slowness, wait_until

LANES = 12  # Celery was seen to go wrong from ten on
EACH = 5  # requests


@pytest.fixture
def stack(tmp_path, monkeypatch):
    monkeypatch.setenv("FEISHU_BATCH_TEST_SECRET", "secret")
    tables = [
        f'[lanes.lane{n}]\nplugin_id = "plugin-{n}"\nplugin_secret = {{ env = "FEISHU_BATCH_TEST_SECRET" }}\n'
        for n in range(LANES)
    ]
    (tmp_path / "lanes.toml").write_text("\n".join(tables))
    slot = 4 * SLOT  # so that the lanes are no load for the machine
    with Stack(
        tmp_path / "stack", sandbox={"window": slot}, lanes_file=tmp_path / "lanes.toml", slot_seconds=slot
    ) as stack:
        yield stack


def test_every_lane_keeps_its_own_pace(stack):
    slowness = Slowness()
    handles = stack.client.enqueue_many(
        [
            intent([1001 + 10 * n + number], f"value {number}", lane=f"lane{n}")
            for number in range(EACH)
            for n in range(LANES)
        ]
    )
    stack.wait_all(handles)
    slot = stack.settings.slot_seconds
    told = [one for one in stack.sandbox.report()["endpoints"] if one["endpoint"] == "batch_update"]
    assert len(told) == LANES
    for one in told:
        arrived = sorted(one["accepted"])
        gaps = sorted(later - earlier for earlier, later in pairwise(arrived))
        assert len(arrived) == EACH
        assert gaps[len(gaps) // 2] < 1.5 * slot * slowness()


# --- a lane with a fault of its own ---------------------------------------------------------------------------------


@pytest.fixture
def with_a_faulty_lane(tmp_path, monkeypatch):
    monkeypatch.setenv("FEISHU_BATCH_TEST_SECRET", "secret")
    (tmp_path / "lanes.toml").write_text(
        '[lanes.good]\nplugin_id = "plugin"\nplugin_secret = { env = "FEISHU_BATCH_TEST_SECRET" }\n'
        '[lanes.faulty]\nplugin_id = "plugin-2"\nplugin_secret = { env = "FEISHU_BATCH_MISSING" }\n'
    )
    with Stack(tmp_path / "stack", lanes_file=tmp_path / "lanes.toml", lane="good") as stack:
        yield stack


def test_a_faulty_lane_keeps_its_intents_until_it_is_corrected_and_the_others_go_on(with_a_faulty_lane, monkeypatch):
    stack = with_a_faulty_lane
    good, kept, canceled, named = stack.client.enqueue_many(
        [
            intent([1001], "x", lane="good"),
            intent([1002], 5, "field_3f6a90", lane="faulty"),
            intent([1003], 5, "field_3f6a90", lane="faulty"),
            intent([1004], "P0", "Priority", lane="faulty"),
        ]
    )
    assert good.wait(PATIENCE).ok
    assert "cannot_resolve" in str(named.wait(PATIENCE).failed["1004"]), "a name is not sent unchecked"
    assert "variable FEISHU_BATCH_MISSING is not set" in stack.log_of("submit")
    wait_until(lambda: kept.view().lane and canceled.view().lane, 20, "its intents are recorded")
    canceled.async_result.revoke()
    assert str(canceled.wait(PATIENCE).state) == "canceled"
    assert str(kept.state) == "open"

    monkeypatch.setenv("FEISHU_BATCH_MISSING", "secret")
    stack.restart("submit", "poll", "intake")
    assert kept.wait(60).ok
