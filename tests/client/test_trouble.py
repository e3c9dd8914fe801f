"""Every wait is bounded, every refusal has one name and no secret."""

import logging
import socket
import threading
from contextlib import closing, contextmanager

import pytest
from kombu.exceptions import OperationalError
from kombu.messaging import Producer
from redis import Redis

from feishu_batch import EnqueueError, FeishuBatch, IntentConflict, ReadError, WaitTimeout
from feishu_batch.inbox import InboxWriter
from tests.client.intent_factory import content
from tests.support.waiting import fair_now


@contextmanager
def answering(reply):
    """A server that gives the same answer to whatever it is sent: None is silence, b"" is hanging up."""
    listener = socket.create_server(("127.0.0.1", 0))
    accepted: list[socket.socket] = []

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            accepted.append(connection)
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    def answer(connection):
        try:
            while connection.recv(1 << 20) and reply is not None:
                if not reply:
                    connection.close()
                    return
                connection.sendall(reply)
        except OSError:
            return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
        for connection in accepted:
            connection.close()


def refusal(client, **changes) -> EnqueueError:
    with client, pytest.raises(EnqueueError) as caught:
        client.enqueue(**content(**changes))
    assert "secret" not in f"{caught.value!r} {caught.value} {client!r}"
    assert caught.value.__cause__ is None
    return caught.value


def test_a_silent_redis_is_given_up_within_two_seconds():
    with answering(None) as address:
        began = fair_now()
        error = refusal(FeishuBatch(f"redis://{address}/0"), intent_id="mine")
        assert fair_now() - began < 2
    assert error.outcome_unknown
    assert error.intent_ids == ("mine",)
    assert "enqueue again with intent_id='mine'" in str(error)


def test_a_redis_that_is_silent_at_the_log_in_has_written_nothing():
    with answering(None) as address:
        began = fair_now()
        error = refusal(FeishuBatch(f"redis://:secret@{address}/3"))
        assert fair_now() - began < 2
    assert not error.outcome_unknown


def test_a_refused_connection_is_reported_at_once():
    began = fair_now()
    error = refusal(FeishuBatch("redis://:secret@127.0.0.1:1/0"))
    assert fair_now() - began < 0.5
    assert not error.outcome_unknown
    assert "127.0.0.1:1 cannot be reached" in str(error)


def test_a_connection_that_is_cut_leaves_the_outcome_unknown():
    with answering(b"") as address:
        assert refusal(FeishuBatch(f"redis://{address}/0")).outcome_unknown


@pytest.mark.parametrize(
    ("reply", "advice"),
    [
        (b"-LOADING Redis is loading the dataset in memory\r\n", "still loading"),
        (b"-MISCONF Errors writing to the AOF file\r\n", "MISCONF"),
        (b"-NOREPLICAS Not enough good replicas to write.\r\n", "NOREPLICAS"),
        (b"-NOPERM this user has no permissions\r\n", "needs scripts"),
        (b"-NOAUTH Authentication required.\r\n", "requires a password"),
        (b"-WRONGPASS invalid username-password pair or user is disabled.\r\n", "user or password"),
        (b"-ERR max number of clients reached\r\n", "maxclients"),
        (b"-DENIED Redis is running in protected mode because protected mode is enabled ...\r\n", "protected mode"),
        (b"-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.\r\n", "lost its primary"),
        (b"-CLUSTERDOWN The cluster is down\r\n", "Redis Cluster"),
    ],
)
def test_a_refusal_of_redis_means_that_nothing_was_written(reply, advice):
    with answering(reply) as address:
        error = refusal(FeishuBatch(f"redis://{address}/0"))
    assert advice in str(error)
    assert not error.outcome_unknown


def test_a_wrong_password_is_reported_without_it(own_redis_url):
    with Redis.from_url(own_redis_url) as redis:
        redis.config_set("requirepass", "right")
    error = refusal(FeishuBatch(own_redis_url.replace("//", "//:secret@")))
    assert "refused the user or password" in str(error)
    assert not error.outcome_unknown


def test_a_full_redis_is_reported(own_redis_url):
    with Redis.from_url(own_redis_url) as redis:
        redis.config_set("maxmemory-policy", "noeviction")
        redis.config_set("maxmemory", "1")
        error = refusal(FeishuBatch(own_redis_url))
        assert "out of memory" in str(error)
        assert not error.outcome_unknown
        assert redis.keys() == []


def test_a_replica_is_reported(own_redis_url):
    with Redis.from_url(own_redis_url) as redis:
        redis.replicaof("127.0.0.1", "1")
        error = refusal(FeishuBatch(own_redis_url))
    assert "read-only replica" in str(error)
    assert not error.outcome_unknown


def test_a_later_chunk_that_fails_tells_how_many_were_written(redis_url, prefix, monkeypatch):
    write, calls = InboxWriter.write, []

    def failing(self, intents):
        calls.append(intents)
        if len(calls) == 3:
            raise EnqueueError("Redis went away", True)
        return write(self, intents)

    intents = [content(intent_id=f"i{n}") for n in range(1200)]
    with FeishuBatch(redis_url, key_prefix=prefix) as client:
        monkeypatch.setattr(InboxWriter, "write", failing)
        with pytest.raises(EnqueueError) as caught:
            client.enqueue_many(intents)
        monkeypatch.setattr(InboxWriter, "write", write)
        assert caught.value.written == 1000
        assert len(caught.value.intent_ids) == 1200
        assert "1000 of the 1200 intents were written" in str(caught.value)
        assert "with the same ids, which is safe" in str(caught.value)
        assert len(client.enqueue_many(intents)) == 1200


def test_a_race_for_an_id_is_a_conflict_that_tells_what_was_written(redis_url, prefix, monkeypatch):
    monkeypatch.setattr(InboxWriter, "digests", lambda _self, ids: [None] * len(ids))
    with FeishuBatch(redis_url, key_prefix=prefix) as client:
        client.enqueue(**content(intent_id="i999"))
        with pytest.raises(IntentConflict, match=r"500 of the 1000 intents were written"):
            client.enqueue_many([content(intent_id=f"i{n}", priority=1) for n in range(1000)])


@pytest.mark.parametrize("silent", [True, False])
def test_a_broker_in_trouble_costs_a_warning_and_a_bounded_wait(redis_url, prefix, caplog, silent):
    with answering(None if silent else b"") as address:
        client = FeishuBatch(redis_url, key_prefix=prefix, broker_url=f"redis://:secret@{address}/0")
        began = fair_now()
        with client, caplog.at_level(logging.WARNING, "feishu_batch"):
            handle = client.enqueue(**content())
            assert fair_now() - began < 2
            assert handle.state == "queued"
    assert "the hint to the worker was not sent" in caplog.text
    assert "secret" not in caplog.text


def test_an_amqp_broker_that_is_not_there_is_bounded_too(redis_url, prefix, caplog):
    began = fair_now()
    with FeishuBatch(redis_url, key_prefix=prefix, broker_url="amqp://u:secret@127.0.0.1:1//") as client:
        client.enqueue(**content())
    assert fair_now() - began < 2
    assert "secret" not in caplog.text


def test_a_revoke_that_cannot_be_sent_is_reported_soon_and_without_the_password(own_redis_url):
    with closing(Redis.from_url(own_redis_url)) as redis, FeishuBatch(own_redis_url) as client:
        handle = client.handle("i")
        handle.async_result.revoke()
        redis.execute_command("CLIENT", "PAUSE", "60000", "ALL")
        silent = trouble_of_a_revoke(handle)
    assert "Timeout" in silent
    with FeishuBatch("redis://127.0.0.1:1/0", broker_url="amqp://u:secret@127.0.0.1:1//") as client:
        assert "refused" in trouble_of_a_revoke(client.handle("i"))


def test_a_broker_that_falls_silent_while_a_revoke_is_sent_costs_a_bounded_wait(own_redis_url, monkeypatch):
    with closing(Redis.from_url(own_redis_url)) as redis, FeishuBatch(own_redis_url) as client:
        publish = Producer._publish

        def late(self, *arguments):
            monkeypatch.setattr(Producer, "_publish", publish)
            redis.execute_command("CLIENT", "PAUSE", "60000", "ALL")
            return publish(self, *arguments)

        monkeypatch.setattr(Producer, "_publish", late)
        assert "Timeout" in trouble_of_a_revoke(client.handle("i"))


def trouble_of_a_revoke(handle):
    began = fair_now()
    with pytest.raises(OperationalError) as caught:
        handle.async_result.revoke()
    assert fair_now() - began < 4
    assert "secret" not in str(caught.value)
    return str(caught.value)


def test_reading_from_a_silent_redis_is_bounded():
    with answering(None) as address, FeishuBatch(f"redis://{address}/0") as client:
        began = fair_now()
        with pytest.raises(ReadError, match="did not answer within 1 s"):
            _ = client.handle("i").state
        assert fair_now() - began < 2


def test_waiting_outlives_an_outage_but_not_the_timeout():
    with FeishuBatch("redis://:secret@127.0.0.1:1/0") as client, pytest.raises(WaitTimeout) as caught:
        client.handle("i").wait(timeout=0.3)
    assert isinstance(caught.value.__cause__, ReadError)
    assert "the last read failed" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_waiting_continues_when_redis_is_back(own_redis_url):
    with FeishuBatch(own_redis_url) as client, closing(Redis.from_url(own_redis_url)) as redis:
        handle = client.enqueue(**content())
        redis.execute_command("CLIENT", "PAUSE", "1500", "ALL")
        with pytest.raises(WaitTimeout) as caught:
            handle.wait(timeout=2.5)
    assert caught.value.__cause__ is None, "the last look found the intent still queued"
