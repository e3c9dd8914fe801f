"""Fields are called by the names that workers have looked up, and newer look-ups are read after a while."""

import pytest

from config.lanes import lane_addresses
from config.settings import Settings
from tests.support.command import PROJECT, Ledger
from tests.web.by_hand import ByHand
from worker.ledger.reads.activity import Subject
from worker.operating.session import unchecked_session
from worker.web.places import NAMES_FOR, Places

NOTE = Subject(PROJECT, "story", "field_a1b2c3", "UPDATE")


@pytest.fixture
def session(redis_url, prefix):
    return unchecked_session(Settings(redis_url=redis_url, key_prefix=prefix))


def test_a_name_is_used_once_a_worker_has_looked_it_up(session, redis, prefix):
    now = [0.0]
    places = Places(session, lambda: now[0])
    key = {"space": PROJECT, "type": "story", "field": "field_a1b2c3"}
    assert places.place(NOTE) == key
    ByHand(None, None, Ledger(redis, prefix), redis).name_fields({"field_a1b2c3": "发布说明"})
    assert places.place(NOTE) == key
    now[0] = NAMES_FOR + 1
    assert places.place(NOTE) == {**key, "field": "发布说明"}
    assert places.place(None) is None


def test_an_intent_is_read_once(session, redis, prefix, redis_url):
    from feishu_batch import FeishuBatch

    ledger = Ledger(redis, prefix)
    with FeishuBatch(redis_url, key_prefix=prefix) as client:
        ByHand(None, client, ledger, redis).put([1], intent_id="known")
    ledger.take_in()
    places = Places(session)
    found = places.of_intents(["known", "unknown"])
    assert (found["known"]["field"], found["unknown"]) == ("field_a1b2c3", None)
    redis.delete(ledger.lane.keys.intent(1))
    assert places.of_intents(["known"])["known"] == found["known"]


def test_each_lane_links_to_its_own_address(tmp_path):
    file = tmp_path / "lanes.toml"
    rows = ('[lanes.here]\nplugin_id="x"\n', '[lanes.there]\nplugin_id="y"\nbase_url="https://feishu.example.com"\n')
    file.write_text("".join(rows))
    settings = Settings(lanes_file=file)
    assert lane_addresses(settings) == {"here": settings.base_url, "there": "https://feishu.example.com"}
    assert lane_addresses(Settings()) == {"default": settings.base_url}
