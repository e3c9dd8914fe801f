"""What a worker took and did not acknowledge comes back in time, also where somebody set its clock."""

import time

import pytest
from kombu import Connection

from feishu_batch.celery_redis import CLOCK_SET, Transport

VISIBILITY = 0.2  # seconds


@pytest.fixture
def channel(redis_url, prefix):
    options = {"visibility_timeout": VISIBILITY, "unacked_key": f"{prefix}:unacked", "global_keyprefix": f"{prefix}:"}
    with Connection(redis_url, transport=Transport, transport_options=options) as connection:
        yield connection.default_channel


def taken(channel):
    """A message that its worker has, and does not acknowledge."""
    queue = channel.connection.client.SimpleQueue("q")
    queue.put({"one": 1})
    return queue.get(timeout=5)


def waits(channel):
    return channel.client.llen("q")


def moments(channel):
    return [score for _, score in channel.client.zrange(channel.unacked_index_key, 0, -1, withscores=True)]


@pytest.mark.parametrize("back", [120, 3600])
def test_a_message_taken_before_the_clock_was_set_back_comes_back(channel, monkeypatch, back):
    taken(channel)
    real = time.time
    monkeypatch.setattr("kombu.transport.redis.time", lambda: real() - back)
    monkeypatch.setattr("feishu_batch.celery_redis.time.time", lambda: real() - back)
    channel.qos.restore_visible(interval=1)
    assert waits(channel) == 0
    time.sleep(VISIBILITY + 0.1)
    channel.qos.restore_visible(interval=1)
    assert waits(channel) == 1


def test_a_message_of_a_machine_whose_clock_is_a_little_ahead_keeps_its_moment(channel):
    taken(channel)
    ahead = time.time() + CLOCK_SET / 2
    [tag] = channel.client.zrange(channel.unacked_index_key, 0, -1)
    channel.client.zadd(channel.unacked_index_key, {tag: ahead})
    channel.qos.restore_visible(interval=1)
    assert moments(channel) == [ahead]
