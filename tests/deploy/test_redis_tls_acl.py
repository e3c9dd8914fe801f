"""A Redis of somebody else's: TLS with an authority of its own, and users that may do what docs/deployment.md lists and no more."""

import re
import ssl
from pathlib import Path

import pytest
from celery import Celery, chord
from redis import Redis
from redis.exceptions import NoPermissionError

from feishu_batch import FeishuBatch, signature
from feishu_batch.errors import EnqueueError
from feishu_batch.redis_pools import pool_of
from tests.support.deploy_servers import TlsServer
from tests.support.deploy_stack import DeployStack
from tests.support.programs import require
from tests.support.waiting import PATIENCE, wait_until
from worker.connections import connect
from worker.ledger.lane import Lane
from worker.ledger.reads.lane_health import read_lane_health
from worker.ledger.reads.ledger import LedgerReads
from worker.operating.redis_checks import inspect
from worker.operating.views import lane_view

ROOT = Path(__file__).parents[2]
CHANGE = {
    "project_key": "5f0c1a2b3c4d5e6f70818283",
    "work_item_type_key": "story",
    "field_key": "field_a1b2c3",
    "update_mode": "UPDATE",
}


def documented_rules() -> dict[str, str]:
    """User → rules, from the page that an operator copies them from."""
    page = (ROOT / "docs/deployment.md").read_text()
    assert "user default off ~* &* +@all\n" in page
    return dict(re.findall(r"^user (\S+) on >PASSWORD (.*)$", page, re.MULTILINE))


RULES = documented_rules()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    require("redis-server", "openssl")
    return TlsServer(tmp_path_factory.mktemp("tls"), {**RULES, "backend": "~* &* +@all"})


@pytest.fixture(scope="module")
def stack(server, tmp_path_factory):
    with DeployStack(
        tmp_path_factory.mktemp("tls-stack"),
        server,
        server.url_of("feishu-worker"),
        producer_url=server.url_of("feishu-producer"),
        admin_url=server.url_of("admin"),
        key_prefix="feishu-batch",
    ) as stack:
        yield stack
    server.kill()


def refused(stack):
    """What Redis refused anybody, by its own log."""
    return [(entry["username"], entry["reason"], entry["object"]) for entry in stack.redis.acl_log()]


def test_the_page_has_a_user_for_workers_and_one_for_producers():
    assert set(RULES) == {"feishu-worker", "feishu-producer"}


def test_the_rules_are_enough_for_an_intent(stack):
    handle = stack.client.enqueue(**CHANGE, work_item_ids=[1021], after_field_value="over TLS")
    assert handle.wait(PATIENCE).state == "succeeded"
    assert handle.async_result.get(timeout=PATIENCE)["state"] == "succeeded"
    assert stack.lane.counts().owned_cells == 0
    assert refused(stack) == []


def test_the_rules_are_enough_for_the_celery_task(stack, server):
    """With chains, chords and callbacks; the app that uses it has a user of its own."""
    url = server.url_of("backend") + "&ssl_cert_reqs=required"
    app = Celery("backend", broker=url, backend=url, set_as_current=False)
    app.conf.task_default_queue = "celery"
    wish = [signature(app=app, **CHANGE, work_item_ids=[item], after_field_value="chord") for item in (1022, 1023)]
    last = signature(app=app, **CHANGE, work_item_ids=[1024], after_field_value="the chord's body")
    done = chord(wish)(last)
    assert done.get(timeout=PATIENCE)["state"] == "succeeded"
    assert refused(stack) == []


def test_the_rules_are_enough_for_looking_and_steering(stack):
    redis = connect(stack.settings)
    assert inspect(redis) == []
    lane = Lane(redis, stack.settings.key_prefix, stack.settings.lane)
    lane.pause("for a test", polling=True)
    assert lane_view(LedgerReads(redis, stack.settings.key_prefix), lane).pause
    lane.resume()
    assert read_lane_health(redis, lane.keys).swept is not None
    assert refused(stack) == []


@pytest.mark.parametrize(
    ("user", "command"),
    [
        ("feishu-worker", ("SET", "another-app", "1")),
        ("feishu-worker", ("FLUSHALL",)),
        ("feishu-worker", ("KEYS", "*")),
        ("feishu-worker", ("CONFIG", "SET", "appendonly", "no")),
        ("feishu-producer", ("HSET", "feishu-batch:{default}:intent:1", "ok", "1")),
        ("feishu-producer", ("GET", "another-app")),
        ("feishu-producer", ("DEL", "celery-task-meta-1")),
    ],
)
def test_and_for_nothing_else(stack, server, user, command):
    pool = pool_of(server.url_of(user), socket_timeout=5, socket_connect_timeout=5)
    with Redis.from_pool(pool) as redis, pytest.raises(NoPermissionError):
        redis.execute_command(*command)
    stack.redis.acl_log_reset()


def test_a_server_of_another_authority_is_not_talked_to(server, stack):
    """Neither by the ledger's connection nor by Celery's."""
    without = server.url_of("feishu-producer").partition("?")[0]
    with FeishuBatch(without, timeout=2) as client, pytest.raises(EnqueueError, match="nothing was written"):
        client.enqueue(**CHANGE, work_item_ids=[1021], after_field_value="x")
    link = stack.own_app().connection_for_read()
    assert link.ssl["ssl_cert_reqs"] == ssl.CERT_REQUIRED


def test_a_lost_connection_comes_back(stack):
    stack.server.kill()
    stack.server.start()
    wait_until(stack.redis.ping, 30, "the server is back")
    handle = stack.client.enqueue(**CHANGE, work_item_ids=[1025], after_field_value="after a restart")
    assert stack.wait_supervised([handle]) == {"succeeded"}
