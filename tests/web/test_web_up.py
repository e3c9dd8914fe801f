"""`up` serves the page: where it can, without the secret, and never at the cost of the work."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.support.waiting import PATIENCE
from tests.support.zygote import run_command
from tests.web.serving import SECRET, without_ours

UP = [sys.executable, "-m", "worker.cli.main", "up"]  # from nothing: the kernel shows each process's first environment


def environment(tmp_path, **settings):
    given = {
        "plugin_id": "x",
        "plugin_secret": SECRET,
        "user_key": "x",
        "base_url": "http://127.0.0.1:9",
        "data_dir": tmp_path / "data",
    }
    return {
        **without_ours(),
        **{f"FEISHU_BATCH_{name.upper()}": str(value) for name, value in {**given, **settings}.items()},
    }


def until(condition):
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found


def is_served(url):
    try:
        return httpx.get(f"{url}/api/session", trust_env=False, timeout=10).status_code == 200
    except httpx.TransportError:
        return False


@pytest.fixture
def busy_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield taken.getsockname()[1]


def test_a_busy_port_does_not_stop_up_and_the_address_outlives_the_page(tmp_path, busy_port):
    env = environment(tmp_path, dashboard_port=busy_port)
    log = tmp_path / "up.log"
    with log.open("wb") as output:
        up = subprocess.Popen(UP, env=env, cwd=tmp_path, stdout=output, stderr=output)
    try:
        found = until(lambda: re.search(r"status page: (http://\S+) \(port (\d+) is in use\)", log.read_text()))
        url = found[1]
        assert int(found[2]) == busy_port
        until(lambda: is_served(url))
        pid = int(re.findall(r"dashboard \[(\d+)\] started", log.read_text())[-1])
        variables = Path(f"/proc/{pid}/environ").read_bytes()
        assert SECRET.encode() not in variables
        os.kill(pid, signal.SIGKILL)
        until(lambda: len(re.findall(r"dashboard \[\d+\] started", log.read_text())) == 2)
        until(lambda: is_served(url))
    finally:
        up.terminate()
        ended = up.wait(PATIENCE)
    assert ended == 0, log.read_text()
    assert "dashboard [" in log.read_text().rpartition("stopping")[0]
    assert not is_served(url)


def test_up_refuses_to_serve_every_machine(tmp_path):
    env = environment(tmp_path, dashboard_host="0.0.0.0")
    done = run_command("up", env=env, cwd=tmp_path, timeout=PATIENCE)
    assert done.returncode == 2
    assert "FEISHU_BATCH_DASHBOARD_TOKEN" in done.stderr
    assert not (tmp_path / "data").exists()
