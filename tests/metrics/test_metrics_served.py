"""The command `feishu-batch metrics`: once, and for a Prometheus that asks over HTTP."""

import http.client
import os
import re
import subprocess
import sys
from contextlib import contextmanager

import pytest
from redis import Redis

from tests.metrics.scrape import parsed
from tests.support.waiting import PATIENCE
from tests.support.zygote import run_command
from worker.cli.metrics import address
from worker.operating.errors import WrongUseError

TOKEN = "a-token-for-prometheus"


@pytest.fixture
def environment(redis_url, prefix):
    ours = {"FEISHU_BATCH_REDIS_URL": redis_url, "FEISHU_BATCH_KEY_PREFIX": prefix}
    return {name: value for name, value in os.environ.items() if not name.startswith("FEISHU_BATCH_")} | ours


def command(*arguments):
    return [sys.executable, "-m", "worker.cli.main", "metrics", *arguments]


@contextmanager
def serving(environment, where):
    """The port that it serves on."""
    with subprocess.Popen(command("--serve", where), env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = process.stdout.readline()
            yield int(re.search(r":(\d+)/metrics", line).group(1))
        finally:
            process.terminate()
            assert process.wait(PATIENCE) == 0


def get(port, path="/metrics", **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", path, headers=headers)
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    return response, text


def test_it_prints_what_prometheus_reads(environment, lane):
    lane.pause("test", polling=True)
    done = run_command("metrics", env=environment, timeout=PATIENCE)
    assert parsed(done.stdout).value("paused", lane="default") == 1


def test_it_serves_the_metrics_and_nothing_else(environment, lane):
    with serving(environment, "127.0.0.1:0") as port:
        response, text = get(port)
        assert response.status == 200
        assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert parsed(text).value("pauses_total") == 0
        lane.pause("test", polling=True)
        assert parsed(get(port)[1]).value("pauses_total") == 1  # read anew each time
        assert get(port, "/")[0].status == 404
        assert get(port, Host="a-name-that-leads-here.example")[0].status == 421


def test_other_addresses_need_a_token(environment):
    refused = run_command("metrics", "--serve", "0.0.0.0:0", env=environment, timeout=PATIENCE)
    assert refused.returncode == 2
    assert "FEISHU_BATCH_DASHBOARD_TOKEN" in refused.stderr
    with serving({**environment, "FEISHU_BATCH_DASHBOARD_TOKEN": TOKEN}, "0.0.0.0:0") as port:
        assert get(port)[0].status == 401
        assert get(port, Authorization="Bearer wrong")[0].status == 401
        response, text = get(port, Authorization=f"Bearer {TOKEN}")
        assert response.status == 200
        assert TOKEN not in text


@pytest.mark.parametrize("where", ["9650", "127.0.0.1:", "127.0.0.1:99999", ":9650"])
def test_an_address_that_is_none_is_wrong_use(where):
    with pytest.raises(WrongUseError, match=r"127\.0\.0\.1:9650"):
        address(where)


def test_without_redis_a_scrape_fails(environment, own_redis_url):
    with serving({**environment, "FEISHU_BATCH_REDIS_URL": own_redis_url}, "127.0.0.1:0") as port:
        assert get(port)[0].status == 200
        with Redis.from_url(own_redis_url) as redis:
            redis.shutdown(nosave=True)
        response, text = get(port)
        assert (response.status, text) == (503, "Redis does not answer.\n")
