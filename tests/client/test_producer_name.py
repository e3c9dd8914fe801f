"""Who enqueued: what an intent says, else what its client says, else program and host."""

import json
import socket

import pytest

from feishu_batch import ConfigurationError, FeishuBatch, IntentError
from feishu_batch.intents import parse_intent
from feishu_batch.origin import default_producer, program_name
from feishu_batch.set_reads import read_sets
from tests.support.command import Ledger

INTENT = {
    "project_key": "5f0c1a2b3c4d5e6f70818283",
    "work_item_type_key": "story",
    "work_item_ids": [1],
    "field_key": "f",
    "update_mode": "UPDATE",
    "after_field_value": "v",
    "intent_id": "one",
}


@pytest.fixture
def client(redis_url, prefix):
    made = []

    def make(**options):
        made.append(FeishuBatch(redis_url, key_prefix=prefix, timeout=5, **options))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def recorded_by(redis, prefix):
    def look(number=1):
        ledger = Ledger(redis, prefix)
        ledger.take_in()
        return redis.hget(ledger.lane.keys.intent(number), "by")

    return look


@pytest.mark.parametrize(
    ("argv0", "name"),
    [
        ("/srv/venv/bin/gunicorn", "gunicorn"),
        ("/srv/app/billing/__main__.py", "billing"),
        ("", "python"),
        ("-c", "python"),
    ],
)
def test_a_program_is_named_as_people_start_it(argv0, name):
    assert program_name(argv0) == name


@pytest.mark.parametrize(
    ("of_client", "of_intent", "recorded"),
    [(None, None, None), ("billing", None, "billing"), ("billing", "Li Lei", "Li Lei"), (None, "李雷", "李雷")],
)
def test_the_nearest_name_counts(client, recorded_by, of_client, of_intent, recorded):
    client(producer=of_client).enqueue(**INTENT, producer=of_intent)
    assert recorded_by() == (recorded or default_producer())
    assert default_producer().endswith(f"@{socket.gethostname()}")


def test_it_is_no_part_of_the_content(client):
    first = client().enqueue(**INTENT, producer="one host")
    again = client(producer="another").enqueue(**INTENT, producer="another host")
    assert (first.was_known, again.was_known) == (False, True)
    assert parse_intent(INTENT).digest() == parse_intent({**INTENT, "producer": "x"}).digest()
    assert json.loads(parse_intent({**INTENT, "producer": "x"}).to_json())["producer"] == "x"


def test_a_set_and_a_refused_intent_have_it_too(client, recorded_by, redis, prefix):
    client(producer="sync").enqueue_table(
        {1: {"f": "v"}}, **{k: INTENT[k] for k in ("project_key", "work_item_type_key")}, change_set="s"
    )
    client(producer="other").enqueue(**{**INTENT, "lane": "nosuch"}, change_set="s")
    assert read_sets(redis, prefix, ["s"])[0].producer == "sync"
    assert recorded_by(2) == "other"


@pytest.mark.parametrize("name", ["", "a\nb", "x" * 101])
def test_what_is_no_name_is_refused(client, name):
    with pytest.raises(ConfigurationError, match="producer must be"):
        client(producer=name)
    with pytest.raises(IntentError, match="producer: "):
        client().enqueue(**INTENT, producer=name)
