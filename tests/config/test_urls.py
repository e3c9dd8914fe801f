import pytest

from config.urls import SecretUrl, masked_url
from feishu_batch.redis_urls import url_for_celery, url_for_redis


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("redis://:pw@host:6379/0", "redis://:***@host:6379/0"),
        ("redis://user:p@w@host/0", "redis://user:***@host/0"),
        ("redis://host/0", "redis://host/0"),
        ("rediss://h/0?ssl_cert_reqs=none&password=pw", "rediss://h/0?ssl_cert_reqs=none&password=***"),
        ("unix://:pw@/run/r.sock?db=1", "unix://:***@/run/r.sock?db=1"),
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
