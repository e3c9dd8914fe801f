"""Several lanes with one plugin and a user each: the remote system counts them together, so they share their slots."""

import json

import pytest

from tests.support.model import intent
from tests.support.stack import SLOT, Stack
from tests.support.waiting import Slowness

EACH = 15  # requests
USERS = {"alpha": "7300000000000000001", "beta": "7300000000000000002"}


@pytest.fixture
def stack(tmp_path, monkeypatch):
    monkeypatch.setenv("FEISHU_BATCH_TEST_SECRET", "secret")
    secret = '{ env = "FEISHU_BATCH_TEST_SECRET" }'
    tables = [
        f'[lanes.{name}]\nplugin_id = "plugin"\nplugin_secret = {secret}\nuser_key = "{user}"\n'
        for name, user in USERS.items()
    ]
    (tmp_path / "lanes.toml").write_text("\n".join(tables))
    slot = 2 * SLOT
    with Stack(
        tmp_path / "stack", sandbox={"window": slot}, lanes_file=tmp_path / "lanes.toml", slot_seconds=slot
    ) as stack:
        yield stack


def endpoints(stack, name):
    return [one for one in stack.sandbox.report()["endpoints"] if one["endpoint"] == name]


def test_two_busy_lanes_keep_the_limit_of_their_plugin_and_both_get_their_share(stack):
    stack.start_twin("submit")  # as on a second machine
    stack.start_twin("poll")
    slowness = Slowness()
    handles = stack.client.enqueue_many(
        [
            intent([1201 + 100 * n + number], f"value {number}", lane=lane)
            for number in range(EACH)
            for n, lane in enumerate(USERS)
        ]
    )
    results = stack.wait_all(handles)
    assert all(result.ok for result in results)
    stack.assert_rules_kept()
    [submits] = endpoints(stack, "batch_update")
    assert len(submits["accepted"]) == 2 * EACH
    assert (submits["rejected"], endpoints(stack, "task_result")[0]["rejected"]) == ([], [])
    took = max(submits["accepted"]) - min(submits["accepted"])
    assert took < 1.5 * 2 * EACH * stack.settings.slot_seconds * slowness(), "slots stay empty"
    halfway = [batch["item_ids"][0] for batch in stack.batches()[:EACH]]
    share = sum(item < 1301 for item in halfway) / EACH
    assert 0.25 < share < 0.75, "one lane waits for the other"


def test_the_token_is_one_and_each_lane_shows_what_it_did_itself(stack):
    handles = stack.client.enqueue_many(
        [intent([1201 + 100 * n + number], "x", lane=lane) for n, lane in enumerate(USERS) for number in range(n + 1)]
    )
    stack.wait_all(handles)
    [tokens] = endpoints(stack, "plugin_token")
    assert len(tokens["accepted"]) == 1
    prefix = stack.settings.key_prefix
    counts = {lane: stack.redis.hgetall(f"{prefix}:{{{lane}}}:slot:submit") for lane in USERS}
    answers = {lane: {k: v for k, v in one.items() if k.startswith("answer:")} for lane, one in counts.items()}
    told = {lane: sum(map(int, one.values())) for lane, one in answers.items()}
    assert told == {"alpha": 1, "beta": 1}, json.dumps(counts)
