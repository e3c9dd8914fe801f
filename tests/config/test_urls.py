import re
import ssl
from urllib.parse import quote, unquote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from config.celery_options import celery_options
from config.errors import ConfigError
from config.settings import Settings, load_settings
from config.urls import SecretUrl, masked_url
from feishu_batch import ConfigurationError, FeishuBatch
from feishu_batch.redis_pools import celery_link, pool_of
from feishu_batch.redis_urls import parse_url


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
    ("ours", "celerys", "redis_pys"),
    [
        (
            "unix:///run/r.sock?db=1",
            "redis+socket:///run/r.sock?virtual_host=1",
            {"path": "/run/r.sock", "db": 1},
        ),
        ("unix://:pw@/run/r.sock", "redis+socket://:pw@/run/r.sock", {"path": "/run/r.sock", "password": "pw"}),
        ("redis+socket:///run/r.sock", "redis+socket:///run/r.sock", {"path": "/run/r.sock", "db": 0}),
        ("redis://:p%2Fw@h:1/2", "redis://:p%2Fw@h:1/2", {"host": "h", "port": 1, "db": 2, "password": "p/w"}),
        ("redis://u:p@w@h", "redis://u:p%40w@h:6379/0", {"host": "h", "username": "u", "password": "p@w"}),
        ("redis://[::1]:6380/?db=3", "redis://[::1]:6380/3", {"host": "::1", "port": 6380, "db": 3}),
    ],
)
def test_one_url_is_spelt_for_all_libraries(ours, celerys, redis_pys):
    assert link_of(ours).url == celerys
    given = pool_of(ours, socket_timeout=1, socket_connect_timeout=1).connection_kwargs
    assert {name: given[name] for name in redis_pys} == redis_pys


SENTINEL = "sentinel://u%40x:p%3Aw@a:1,b/2?master=m&sentinel_password=s3cr3t&tls=true&ssl_ca_certs=/ca.pem"


def link_of(url):
    return celery_link(url)


def test_a_sentinel_url_is_taken_apart():
    where = parse_url(SENTINEL)
    assert (where.hosts, where.master, where.db) == ((("a", 1), ("b", 26379)), "m", 2)
    assert where.login == {"username": "u@x", "password": "p:w"}
    assert where.sentinel_login == {"password": "s3cr3t"}
    assert where.tls == {"ssl_ca_certs": "/ca.pem", "ssl_cert_reqs": "required"}
    assert "s3cr3t" not in repr(where)
    assert "p:w" not in repr(where)


def test_redis_py_gets_the_master_of_the_sentinel_url():
    pool = pool_of(SENTINEL, socket_timeout=4, socket_connect_timeout=3)
    assert pool.service_name == "m"
    assert [one.connection_pool.connection_kwargs["port"] for one in pool.sentinel_manager.sentinels] == [1, 26379]
    given = pool.connection_kwargs
    assert (given["db"], given["username"], given["password"], given["socket_timeout"]) == (2, "u@x", "p:w", 4)
    assert given["ssl_ca_certs"] == "/ca.pem"


def test_celery_gets_one_sentinel_in_the_url_and_all_of_them_as_options():
    link = link_of(SENTINEL)
    assert link.url == "sentinel://u%40x:p%3Aw@a:1/2"
    assert link.transport_options["master_name"] == "m"
    assert link.transport_options["sentinels"] == [["a", 1], ["b", 26379]]
    assert link.transport_options["sentinel_kwargs"]["password"] == "s3cr3t"
    assert link.ssl == {"ssl_cert_reqs": "required", "ssl_ca_certs": "/ca.pem"}
    assert "p%3Aw" not in repr(link)


@pytest.mark.parametrize("ipv6", ["[::1]", "[::1]:26379", "[2001:db8::7]:1,[::1]"])
def test_sentinels_may_have_addresses_of_ipv6(ipv6):
    hosts = parse_url(f"sentinel://{ipv6}/0?master=m").hosts
    assert all(host.count(":") >= 2 and "[" not in host for host, _ in hosts)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("", "required"),
        *[(f"?ssl_cert_reqs={word}", "required") for word in ("required", "CERT_REQUIRED", "cert_required")],
        *[(f"?ssl_cert_reqs={word}", "none") for word in ("none", "CERT_NONE", "NONE")],
        ("?ssl_cert_reqs=CERT_OPTIONAL", "optional"),
        ("?ssl_ca_certs=/c", "required"),
    ],
)
@pytest.mark.parametrize("start", ["rediss://h/0", "sentinel://h/0"])
def test_certificates_are_looked_at_unless_it_is_said_otherwise(start, given, meant):
    if start.startswith("sentinel"):
        given = f"?master=m&tls=true&{given[1:]}"
    constant = {"required": ssl.CERT_REQUIRED, "none": ssl.CERT_NONE, "optional": ssl.CERT_OPTIONAL}[meant]
    pool = pool_of(start + given, socket_timeout=1, socket_connect_timeout=1)
    made = pool.connection_class(**pool.connection_kwargs)
    assert (made.cert_reqs, made.check_hostname) == (constant, meant != "none")
    link = link_of(start + given)
    assert (link.ssl or {}).get("ssl_cert_reqs") == meant or f"ssl_cert_reqs={meant}" in link.url


def test_rabbitmq_must_be_the_server_that_was_named():
    link = link_of("amqps://u:p@mq.example/v?ssl_ca_certs=/c")
    assert link.url == "amqps://u:p@mq.example:5671/v"
    assert link.ssl == {"cert_reqs": ssl.CERT_REQUIRED, "server_hostname": "mq.example", "ca_certs": "/c"}


ENCODE = "percent-encode"
REFUSED = [
    ("redis_url", "amqp://u:s3cr3t@h//", "must look like redis://"),
    ("result_backend", "amqp://u:s3cr3t@h//", "must look like redis://"),
    ("broker_url", "sqs://s3cr3t@", "amqp://user:password@host:5672/vhost"),
    ("redis_url", "s3cr3t", "must look like redis://"),
    ("redis_url", "redis:/s3cr3t@h", "must look like redis://"),
    ("redis_url", "redis+cluster://:s3cr3t@h/0", "Redis Cluster"),
    ("redis_url", "sentinel://:s3cr3t@a,b/0", "master=NAME"),
    ("redis_url", "sentinel://:s3cr3t@a,b/0?master=m&db=1", "parameters"),
    ("redis_url", "sentinel://:s3cr3t@a:x/0?master=m", "separates its hosts by commas"),
    ("redis_url", "sentinel://:s3cr3t@::1/0?master=m", "brackets"),
    ("redis_url", "redis://:s3cr3t@a,b/0", "has several hosts"),
    ("broker_url", "amqp://s3cr3t@a;amqp://b", "has several hosts"),
    *[
        ("redis_url", f"{start}:s3{mark}cr3t@h:6379/0", ENCODE)
        for mark in "#/?"
        for start in ("redis://", "rediss://u")
    ],
    *[("redis_url", f"sentinel://:s3{mark}cr3t@h:1,g/0?master=m", ENCODE) for mark in "#/?"],
    *[("broker_url", f"amqp://u:s3{mark}cr3t@h:5672/v", ENCODE) for mark in "#/?"],
    ("redis_url", "unix://:s3/cr3t@/run/r.sock", ENCODE),
    ("redis_url", "redis://:s3%cr3t@h/0", ENCODE),
    ("redis_url", "redis://:s3 cr3t@h/0", ENCODE),
    ("redis_url", "redis://:s3cr3t@h/0\n", ENCODE),
    ("redis_url", "redis://h:s3cr3t/0", "port"),
    ("redis_url", "redis://:s3cr3t@h:0/0", "port"),
    ("redis_url", "redis://:s3cr3t@h:65536/0", "port"),
    ("redis_url", "redis://:s3cr3t@h:/0", "port"),
    ("redis_url", "redis://:s3cr3t@::1/0", "brackets"),
    ("redis_url", "redis://:s3cr3t@/0", "no host"),
    ("redis_url", "redis://h/s3cr3t", "database"),
    ("redis_url", "redis://h/-1", "database"),
    ("redis_url", "redis://h/0/1", "database"),
    ("redis_url", "redis://h/?db=s3cr3t", "database"),
    ("redis_url", "redis://h/1?db=2", "two databases"),
    ("redis_url", "redis://s3cr3t@h/0", "a user without a password"),
    ("redis_url", "redis://:s3cr3t@h/0?socket_timout=1", "parameters"),
    ("redis_url", "redis://:s3cr3t@h/0?ssl_ca_certs=/c", "rediss://"),
    ("redis_url", "redis://:s3cr3t@h/0?password_file=/f", "has a password and a password file: remove one of them"),
    ("redis_url", "redis://h/0?password_file=", "without a path"),
    ("redis_url", "rediss://:s3cr3t@h/0?ssl_cert_reqs=s3cr3t", "ssl_cert_reqs"),
    ("redis_url", "rediss://:s3cr3t@h/0?ssl_check_hostname=s3cr3t", "is not true or false"),
    ("redis_url", "sentinel://:s3cr3t@h/0?master=m&ssl_ca_certs=/c", "tls=true"),
    ("redis_url", "unix://", "has no Unix socket"),
    ("redis_url", "unix://host/run/r.sock", "Unix socket"),
]


@pytest.mark.parametrize(("name", "url", "why"), REFUSED)
def test_urls_that_cannot_work_are_refused_without_being_repeated(name, url, why):
    with pytest.raises(ConfigError) as refused:
        load_settings({f"FEISHU_BATCH_{name.upper()}": url})
    with pytest.raises(ConfigurationError) as by_the_library:
        FeishuBatch(**{"redis_url": "redis://h", name: url})
    for told in (refused.value, by_the_library.value):
        assert why in str(told)
        assert not {"s3cr3t", "cr3t"} & set(re.split(r"\W", str(told)))


WITHOUT_IT = f"{load_settings({'FEISHU_BATCH_REDIS_URL': 'redis://h'})!r}"


@given(
    password=st.text(st.characters(exclude_categories=["Cs"]), min_size=6, max_size=30),
    url=st.sampled_from(
        [
            "redis://:{}@h:6379/0",
            "rediss://u:{}@h",
            "sentinel://:{}@a,b:1/0?master=m",
            "amqp://u:{}@h//",
            "unix://:{}@/r",
        ]
    ),
    encodes=st.booleans(),
)
def test_any_password_is_used_as_it_is_or_refused_without_being_repeated(password, url, encodes):
    assume(password not in WITHOUT_IT)  # hypothesis tries words of our sources, which our texts have, too
    written = url.format(quote(password, safe="") if encodes else password)
    try:
        settings = load_settings({"FEISHU_BATCH_REDIS_URL": "redis://h", "FEISHU_BATCH_BROKER_URL": written})
    except ConfigError as error:
        assert not encodes
        told = str(error)
    else:
        assert parse_url(written).login["password"] == (password if encodes else unquote(password))
        told = f"{settings!r} {settings.broker_url}"
    assert password not in told.replace(url.format("***"), "")


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
