"""Whoever waits is told that Redis is away, and gets the end when it is back: with a server that is killed and started again."""

import os
import signal
import threading
import time
from contextlib import ExitStack

import pytest
from redis import Redis

from tests.support.waiting import wait_until
from worker.processes.embedded import EmbeddedServer

PROJECT = "5f0c1a2b3c4d5e6f70818283"
ENQUEUE = ("enqueue", "--project-key", PROJECT, "--type", "story", "--field", "f", "--item", 1, "--after", "x")
ROWS = f"""project_key,work_item_type_key,work_item_ids,field_key,update_mode,after_field_value
{PROJECT},story,1,f,UPDATE,x
"""


@pytest.mark.parametrize("way", ["enqueue", "import"])
def test_who_waits_hears_that_redis_is_away_and_then_gets_the_end(command, ledger, prefix, tmp_path, way):
    file = tmp_path / "rows.csv"
    file.write_text(ROWS)
    with ExitStack() as servers:
        server = servers.enter_context(EmbeddedServer(tmp_path / "data"))
        command.env["FEISHU_BATCH_REDIS_URL"] = server.url

        is_over = threading.Event()

        def other_side():
            there = type(ledger)(Redis.from_url(server.url, decode_responses=True), prefix)
            wait_until(there.in_inbox, 20, "the intent is in the inbox")
            time.sleep(0.5)  # for a look that finds it open
            os.kill(server.pid, signal.SIGKILL)
            time.sleep(2)
            servers.close()
            servers.enter_context(EmbeddedServer(tmp_path / "data"))
            there.do_all()
            is_over.wait(120)  # the server ends with the thread that started it

        beside = threading.Thread(target=other_side)
        beside.start()
        told = command(*(ENQUEUE if way == "enqueue" else ("import", file)), "--wait")
        is_over.set()
        beside.join(30)
    assert told.exit_code == 0, told.output
    assert told.stderr.count("Redis does not answer") == 1
