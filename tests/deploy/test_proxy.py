"""The workers reach the remote system through a real proxy that asks for a password, and through nothing else."""

import signal
from itertools import pairwise

import pytest

from tests.support.deploy_servers import Process
from tests.support.model import intent
from tests.support.programs import require
from tests.support.servers import free_port
from tests.support.stack import SLOT, Stack
from tests.support.waiting import Slowness, wait_until

BATCHES = 30
PASSWORD = "very-s3cret"


class TinyProxy:
    def __init__(self, directory):
        self.port = free_port()
        self._log = directory / "tinyproxy.log"
        self._directory = directory
        settings = directory / "tinyproxy.conf"
        lines = [f"Port {self.port}", "Listen 127.0.0.1", "Timeout 60", "LogLevel Connect", f"BasicAuth us {PASSWORD}"]
        settings.write_text("\n".join(lines) + "\n")
        self._argv = ["tinyproxy", "-d", "-c", str(settings)]
        self._process = None

    def start(self):
        self._process = Process(self._argv, self._directory / "tinyproxy.output")

    def kill(self):
        self._process.signal(signal.SIGKILL)
        self._process.kill()

    @property
    def tunnels(self):
        """Those that were asked for."""
        return (self._directory / "tinyproxy.output").read_text(errors="replace").count("CONNECT 127.0.0.1:")


@pytest.fixture
def proxy(tmp_path):
    require("tinyproxy")
    (tmp_path / "proxy").mkdir()
    proxy = TinyProxy(tmp_path / "proxy")
    proxy.start()
    yield proxy
    proxy.kill()


@pytest.fixture
def stack(proxy, tmp_path):
    url = f"http://us:{PASSWORD}@127.0.0.1:{proxy.port}"
    with Stack(tmp_path / "stack", proxy_url=url) as stack:
        yield stack


def enqueue(stack, text):
    return stack.client.enqueue_many([intent([1050 + n], f"{text} {n}") for n in range(BATCHES)])


def test_through_a_proxy_the_limit_holds_and_slots_are_used(stack, proxy):
    slowness = Slowness()
    results = stack.wait_all(enqueue(stack, "first"))
    assert [result.failed for result in results if result.failed] == []
    assert proxy.tunnels > 0
    [told] = [one for one in stack.sandbox.report()["endpoints"] if one["endpoint"] == "batch_update"]
    arrived = sorted(told["accepted"])
    gaps = sorted(later - earlier for earlier, later in pairwise(arrived))
    assert len(arrived) == BATCHES
    assert gaps[len(gaps) // 2] < 1.5 * SLOT * slowness()
    stack.assert_rules_kept()


def test_a_proxy_that_goes_away_holds_work_until_it_is_back_and_its_password_is_reported_nowhere(stack, proxy):
    stack.wait_all(enqueue(stack, "first"))
    proxy.kill()
    handles = enqueue(stack, "second")
    told = wait_until(lambda: stack.redis.hget(stack.lane.keys.named("trouble"), "submit"), 20, "the lane has trouble")
    assert f"through the proxy 127.0.0.1:{proxy.port}" in str(told)
    proxy.start()
    assert {result.state for result in stack.wait_all(handles)} == {"succeeded"}
    stack.assert_rules_kept()
    kept = "".join(text for _, text in stack.logs()) + str(stack.redis.keys("*"))
    assert PASSWORD not in kept
