"""Several credentials in the same worker processes: each at its own pace, none held up by another."""

from itertools import pairwise

import pytest
from model import intent
from stack import SLOT, Stack

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
    handles = stack.client.enqueue_many(
        [
            intent([1001 + 10 * n + number], f"value {number}", lane=f"lane{n}")
            for number in range(EACH)
            for n in range(LANES)
        ]
    )
    stack.wait_all(handles, 60)
    slot = stack.settings.slot_seconds
    told = [one for one in stack.sandbox.report()["endpoints"] if one["endpoint"] == "batch_update"]
    assert len(told) == LANES
    for one in told:
        arrived = sorted(one["accepted"])
        gaps = sorted(later - earlier for earlier, later in pairwise(arrived))
        assert len(arrived) == EACH
        assert gaps[len(gaps) // 2] < 1.5 * slot
