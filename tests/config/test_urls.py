import ssl

import pytest
from pydantic import ValidationError

from config.celery_options import celery_options
from config.settings import Settings
from config.urls import SecretUrl, masked_url
from feishu_batch import ConfigurationError, FeishuBatch
from feishu_batch.redis_urls import celery_link, parse_sentinel, pool_of, url_for_celery, url_for_redis


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("redis://:pw@host:6379/0", "redis://:***@host:6379/0"),
        ("redis://user:p@w@host/0", "redis://user:***@host/0"),
        ("redis://host/0", "redis://host/0"),
        ("rediss://h/0?ssl_cert_reqs=none&password=pw", "rediss://h/0?ssl_cert_reqs=none&password=***"),
        ("unix://:pw@/run/r.sock?db=1", "unix://:***@/run/r.sock?db=1"),
        (
            "sentinel://u:pw@a:1,b/0?master=m&sentinel_password=pw",
            "sentinel://u:***@a:1,b/0?master=m&sentinel_password=***",
        ),
        ("amqp://u:pw@h//", "amqp://u:***@h//"),
        ("just-a-password", "***"),
        ("redis://[broken:pw@h", "***"),
    ],
)
def test_passwords_are_masked_and_the_rest_is_readable(url, masked):
    assert masked_url(url) == masked
    assert str(SecretUrl(url)) == masked
    assert repr(SecretUrl(url)) == f"SecretUrl('{masked}')"
    assert SecretUrl(url).get_secret_value() == url


@pytest.mark.parametrize(
    ("redis", "celery"),
    [
        ("unix:///run/r.sock?db=1", "redis+socket:///run/r.sock?virtual_host=1"),
        ("unix://:pw@/run/r.sock", "redis+socket://:pw@/run/r.sock"),
        ("redis://:pw@h:1/2", "redis://:pw@h:1/2"),
    ],
)
def test_unix_sockets_are_spelt_for_both_libraries(redis, celery):
    assert url_for_celery(redis) == celery
    assert url_for_redis(celery) == redis


SENTINEL = "sentinel://u%40x:p%3Aw@a:1,b/2?master=m&sentinel_password=s3cr3t&tls=true&ssl_ca_certs=/ca.pem"


def link_of(url):
    return celery_link(url, timeout=4, connect_timeout=3)


def test_a_sentinel_url_is_taken_apart():
    where = parse_sentinel(SENTINEL)
    assert (where.hosts, where.master, where.db) == ((("a", 1), ("b", 26379)), "m", 2)
    assert where.login == {"username": "u@x", "password": "p:w"}
    assert where.sentinel_login == {"password": "s3cr3t"}
    assert where.tls == {"ssl_ca_certs": "/ca.pem"}
    assert "s3cr3t" not in repr(where)
    assert "p:w" not in repr(where)


def test_redis_py_gets_the_master_of_the_sentinel_url():
    pool = pool_of(SENTINEL, socket_timeout=4, socket_connect_timeout=3)
    assert pool.service_name == "m"
    assert [one.connection_pool.connection_kwargs["port"] for one in pool.sentinel_manager.sentinels] == [1, 26379]
    given = pool.connection_kwargs
    assert (given["db"], given["username"], given["password"], given["socket_timeout"]) == (2, "u@x", "p:w", 4)
    assert given["ssl_ca_certs"] == "/ca.pem"


def test_celery_gets_each_sentinel_and_the_rest_as_options():
    link = link_of(SENTINEL)
    assert link.url == "sentinel://u%40x:p%3Aw@a:1/2;sentinel://u%40x:p%3Aw@b:26379/2"
    assert link.transport_options["master_name"] == "m"
    assert link.transport_options["sentinel_kwargs"]["password"] == "s3cr3t"
    assert link.ssl == {"ssl_cert_reqs": "required", "ssl_ca_certs": "/ca.pem"}
    assert "p%3Aw" not in repr(link)


@pytest.mark.parametrize(
    ("url", "spelt"),
    [
        ("rediss://h/0", "rediss://h/0?ssl_cert_reqs=required"),
        ("rediss://h/0?ssl_ca_certs=/c", "rediss://h/0?ssl_ca_certs=/c&ssl_cert_reqs=required"),
        ("rediss://h/0?ssl_cert_reqs=none", "rediss://h/0?ssl_cert_reqs=none"),
    ],
)
def test_celery_looks_at_certificates_unless_told_otherwise(url, spelt):
    assert link_of(url).url == spelt


def test_rabbitmq_has_to_be_the_server_that_was_named():
    link = link_of("amqps://u:p@mq.example/v?ssl_ca_certs=/c")
    assert link.url == "amqps://u:p@mq.example/v"
    assert link.ssl == {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": "mq.example", "ca_certs": "/c"}


@pytest.mark.parametrize(
    ("name", "url", "why"),
    [
        ("redis_url", "amqp://u:s3cr3t@h//", "has to look like redis://"),
        ("result_backend", "amqp://u:s3cr3t@h//", "has to look like redis://"),
        ("broker_url", "sqs://s3cr3t@", "amqp://user:password@host:5672/vhost"),
        ("redis_url", "redis+cluster://:s3cr3t@h/0", "Redis Cluster"),
        ("redis_url", "sentinel://:s3cr3t@a,b/0", "master=NAME"),
        ("redis_url", "sentinel://:s3cr3t@a,b/0?master=m&db=1", "no parameter 'db'"),
        ("redis_url", "sentinel://:s3cr3t@a:x/0?master=m", "separates its hosts by commas"),
        ("redis_url", "redis://:s3cr3t@a,b/0", "names several hosts"),
        ("broker_url", "amqp://s3cr3t@a;amqp://b", "names several hosts"),
    ],
)
def test_urls_that_cannot_work_are_refused_without_being_repeated(name, url, why):
    with pytest.raises(ValidationError) as refused:
        Settings(**{name: url})
    assert why in str(refused.value)
    assert "s3cr3t" not in str(refused.value)


def test_the_library_refuses_a_sentinel_url_without_a_master():
    with pytest.raises(ConfigurationError, match="master=NAME") as refused:
        FeishuBatch("sentinel://:s3cr3t@a,b/0")
    assert "s3cr3t" not in str(refused.value)


def test_one_url_serves_the_ledger_messages_and_results():
    options = celery_options(Settings(redis_url=SENTINEL))
    assert options["broker_url"] == options["result_backend"] == link_of(SENTINEL).url
    for name in ("broker_transport_options", "result_backend_transport_options"):
        assert options[name]["master_name"] == "m"
    assert options["broker_use_ssl"] == options["redis_backend_use_ssl"]
