"""How a command asks the workers does not depend on what else its process has done or has been given."""

import kombu.transport.redis
import pytest

from config.settings import Settings
from feishu_batch.celery_redis import Transport
from worker.connections import control_app

URL = "redis://127.0.0.1:1/0"


@pytest.fixture
def link():
    with control_app(Settings(redis_url=URL)) as app:
        yield lambda: app.connection_or_acquire(pool=True)


def test_another_app_of_the_process_has_used_kombus_own_transport(monkeypatch, link):
    monkeypatch.setitem(kombu.transport._transport_cache, "redis", kombu.transport.redis.Transport)
    with link() as connection:
        assert type(connection.transport) is Transport


def test_the_environment_names_the_broker_of_another_app(monkeypatch, link):
    monkeypatch.setenv("CELERY_BROKER_URL", "redis://another.invalid/0")
    with link() as connection:
        assert connection.hostname == "127.0.0.1"


def test_no_connection_is_shared_with_other_apps(link):
    with link() as one, link() as other:
        assert one is not other
