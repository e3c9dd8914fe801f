"""A Redis that is well gives no errors, and one that is slow keeps no caller for longer than was promised."""

import contextlib
import threading
import time

import pytest
from redis import Redis

from feishu_batch import EnqueueError, FeishuBatch, ReadError, UnknownIntent, redis_connections
from tests.client.intent_factory import content
from tests.support.deploy_servers import Process, make_certificates
from tests.support.programs import require
from tests.support.proxy import Proxy
from tests.support.servers import free_port
from tests.support.waiting import fair_now, wait_until

PROMISED = 2.0  # seconds for one call with the usual time-out
SLACK = 0.6  # seconds that a busy machine may add


@pytest.fixture
def proxy(own_redis_url):
    with Redis.from_url(own_redis_url) as redis:
        redis.config_set("requirepass", "pw")
    with Proxy(int(own_redis_url.rpartition(":")[2].partition("/")[0])) as proxy:
        yield proxy


@pytest.fixture
def url(proxy):
    return f"redis://:pw@127.0.0.1:{proxy.port}/3"


@pytest.mark.parametrize(
    ("pause", "size"), [(0.4, 65536), (0.5, 65536), (0.9, 65536), (0.2, 1)], ids=["0.4 s", "0.5 s", "0.9 s", "bytewise"]
)
@pytest.mark.parametrize("is_new", [True, False], ids=["new connection", "old connection"])
def test_a_slow_redis_keeps_no_caller_longer_than_two_seconds(proxy, url, pause, size, is_new):
    with FeishuBatch(url) as client:
        if not is_new:
            client.enqueue(**content())
        proxy.answer_slowly(pause, size)
        for call in (lambda: client.enqueue(**content()), lambda: client.handle("i").view()):
            began = fair_now()
            with contextlib.suppress(EnqueueError, ReadError, UnknownIntent):
                call()
            assert fair_now() - began < PROMISED + SLACK


def test_the_deadline_holds_also_while_the_hint_is_sent(proxy, url, own_redis_url):
    """To another Redis, which answers fast enough for one time-out each, and too slowly for all of them."""
    proxy.answer_slowly(0.8)
    with FeishuBatch(own_redis_url.replace("//", "//:pw@"), broker_url=url) as client:
        began = fair_now()
        client.enqueue(**content())
        assert fair_now() - began < PROMISED + SLACK


def test_a_connection_that_was_dropped_silently_costs_a_wait_and_no_error(proxy, url):
    with FeishuBatch(url) as client:
        for _ in range(3):
            client.enqueue(**content())
            proxy.kill_quietly()
            began = fair_now()
            client.enqueue(**content())
            assert client.handle("nothing")._view("nothing") is None
            assert fair_now() - began < PROMISED + SLACK


def test_a_connection_that_was_idle_for_longer_is_not_used_again(proxy, url, monkeypatch):
    monkeypatch.setattr(redis_connections, "LONGEST_LIFE", 0.2)
    with FeishuBatch(url) as client:
        client.enqueue(**content())
        time.sleep(0.3)
        proxy.kill_quietly()
        began = fair_now()
        client.enqueue(**content())
        assert fair_now() - began < SLACK


def test_a_retry_after_a_lost_answer_doubles_nothing(proxy, url, own_redis_url):
    with FeishuBatch(url) as client:
        client.enqueue(**content(intent_id="i0"))
        proxy.mute(then_cut_after=0.2)
        client.enqueue(**content(intent_id="i1"))
    with Redis.from_url(own_redis_url.replace("/0", "/3"), password="pw") as redis:
        assert redis.xlen("feishu-batch:{front}:inbox") == 2


def test_what_may_have_been_written_at_the_first_try_stays_unknown(proxy, url):
    with FeishuBatch(url) as client:
        client.enqueue(**content())
        proxy.mute(then_cut_after=0.2)
        proxy.refuse(True)
        with pytest.raises(EnqueueError, match="unknown whether") as caught:
            client.enqueue(**content(intent_id="i1"))
    assert caught.value.outcome_unknown


def test_callers_wait_for_a_connection(redis_url, prefix):
    errors = []
    with FeishuBatch(redis_url, key_prefix=prefix, timeout=5) as client:

        def call(number):
            try:
                client.enqueue(**content(work_item_ids=[number]))
            except EnqueueError as error:
                errors.append(error)

        threads = [threading.Thread(target=call, args=(number,)) for number in range(1, 601)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert errors == []


def test_waiting_for_a_connection_ends_in_time(proxy, url, monkeypatch):
    monkeypatch.setattr("feishu_batch.redis_pools.MOST_CONNECTIONS", 1)
    with FeishuBatch(url, timeout=0.5) as client:
        client.enqueue(**content())
        proxy.answer_slowly(3)
        thread = threading.Thread(target=try_to, args=(client,))
        thread.start()
        began = fair_now()
        try_to(client)
        assert fair_now() - began < 1 + SLACK
        thread.join()


def test_first_calls_over_tls_without_a_password_do_not_fail(tmp_path):
    require("redis-server", "openssl")
    certificates, port = make_certificates(tmp_path), free_port()
    configuration = tmp_path / "redis.conf"
    configuration.write_text("\n".join([*certificates.lines(port), "bind 127.0.0.1", f"dir {tmp_path}", 'save ""']))
    server = Process(["redis-server", str(configuration)], tmp_path / "log")
    url = f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={certificates.authority}"
    try:
        with FeishuBatch(url) as client:
            wait_until(lambda: is_there(client), 20, "the server answers")
        for _ in range(60):  # a quarter to a third of them failed
            with FeishuBatch(url, timeout=5) as client:
                client.enqueue(**content())
    finally:
        server.kill()


def try_to(client):
    with contextlib.suppress(EnqueueError):
        client.enqueue(**content())


def is_there(client):
    try:
        return client._view("nothing") is None
    except ReadError:
        return False
