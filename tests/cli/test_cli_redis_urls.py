"""A URL of Redis that cannot be used, and a server that cannot: one sentence, and nothing of the password."""

import os

import pytest
from redis import Redis

from feishu_batch import EnqueueError, FeishuBatch
from tests.support.deploy_servers import Process, make_certificates
from tests.support.programs import require
from tests.support.servers import free_port
from tests.support.waiting import PATIENCE, wait_until
from tests.support.zygote import run_command

CREDENTIALS = {"PLUGIN_ID": "p", "PLUGIN_SECRET": "s", "USER_KEY": "u"}
INTENT = {
    "project_key": "5f0c1a2b3c4d5e6f70818283",
    "work_item_type_key": "story",
    "work_item_ids": [1],
    "field_key": "field_a1b2c3",
    "update_mode": "UPDATE",
    "after_field_value": "x",
}


def command(url, *arguments):
    environ = os.environ | {f"FEISHU_BATCH_{name}": value for name, value in CREDENTIALS.items()}
    return run_command(*arguments, env=environ | {"FEISHU_BATCH_REDIS_URL": url}, timeout=PATIENCE)


@pytest.mark.parametrize(
    "arguments", [("status",), ("up",), ("run", "submit"), ("doctor",), ("dashboard",)], ids=lambda given: given[0]
)
def test_a_password_that_is_not_encoded_is_refused_by_every_command(arguments):
    told = command("redis://:s3cr3t#tail@127.0.0.1:1/0", *arguments)
    assert (told.returncode, "percent-encode" in told.stderr + told.stdout) == (2, True), told.stderr
    assert "Traceback" not in told.stderr
    assert not [word for word in ("s3cr3t", "tail") if word in told.stdout + told.stderr]


@pytest.mark.parametrize(
    "url", ["redis://:s3cr3t@127.0.0.1:1/x", "redis://:pw@h:s3cr3t", "redis://:s3cr3t@[::1", "s3cr3t"]
)
def test_other_urls_too(url):
    told = command(url, "status")
    assert (told.returncode, "Traceback" in told.stderr, "s3cr3t" in told.stderr + told.stdout) == (2, False, False)


def reason(url):
    """As the commands tell it, and that the library tells the same."""
    told = command(url, "status")
    assert (told.returncode, len(told.stderr.splitlines())) == (3, 1), told.stderr
    with FeishuBatch(url) as client, pytest.raises(EnqueueError) as refused:
        client.enqueue(**INTENT)
    both = told.stderr, str(refused.value)
    assert not [text for text in both if "s3cr3t" in text]
    return both


def test_a_password_that_is_missing_or_wrong_is_reported(own_redis_url):
    wrong = own_redis_url.replace("//", "//:s3cr3t@")
    with Redis.from_url(own_redis_url) as redis:
        redis.config_set("requirepass", "right")
    assert all("requires a password" in text for text in reason(own_redis_url))
    assert all("the user or password" in text for text in reason(wrong))


def test_too_many_clients_and_a_database_that_there_is_not_are_reported(own_redis_url):
    assert all("no database with the number" in text for text in reason(own_redis_url.replace("/0", "/99")))
    with Redis.from_url(own_redis_url) as redis:
        redis.config_set("maxclients", 1)
        assert all("maxclients" in text for text in reason(own_redis_url))


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    """(port, authority) of a server that speaks TLS only, as 127.0.0.1 and localhost."""
    require("redis-server", "openssl")
    directory = tmp_path_factory.mktemp("tls-reasons")
    certificates, port = make_certificates(directory), free_port()
    configuration = directory / "redis.conf"
    configuration.write_text("\n".join([*certificates.lines(port), "bind 127.0.0.1", f"dir {directory}", 'save ""']))
    server = Process(["redis-server", str(configuration)], directory / "log")
    url = f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={certificates.authority}"
    with FeishuBatch(url) as client:
        wait_until(lambda: answers(client), 20, "the server answers")
    yield port, certificates.authority
    server.kill()


def answers(client):
    try:
        client.enqueue(**INTENT)
    except EnqueueError:
        return False
    return True


def test_the_reason_of_a_tls_failure_is_reported(tls, own_redis_url):
    port, authority = tls
    assert all("rejected" in text for text in reason(f"rediss://127.0.0.1:{port}/0"))
    other = f"rediss://127.0.0.2:{port}/0?ssl_ca_certs={authority}"
    with FeishuBatch(other) as client, pytest.raises(EnqueueError, match=r"TLS|refused"):
        client.enqueue(**INTENT)
    missing = f"rediss://127.0.0.1:{port}/0?ssl_ca_certs=/nowhere/ca.pem"
    assert all("file for TLS cannot be read" in text for text in reason(missing))
    plain = own_redis_url.replace("redis://", "rediss://")
    assert all("a server without TLS at this port" in text for text in reason(plain))
    told = reason(f"redis://127.0.0.1:{port}/0")
    assert all("rediss://" in text for text in told), told
