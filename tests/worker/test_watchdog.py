import os
import subprocess
import sys
import time

from celery import Celery

from worker.processes.watchdog import StallClock


def test_a_worker_without_messages_is_idle_not_stalled():
    clock = StallClock(patience=20)
    assert not any(clock.has_stalled(now, waiting=0, busy=False, progress=0) for now in range(0, 300, 5))


def test_messages_without_progress_are_a_stall_after_the_patience():
    clock = StallClock(patience=20)
    verdicts = [clock.has_stalled(now, waiting=3, busy=False, progress=7) for now in range(0, 35, 5)]
    assert verdicts == [False, False, False, False, False, True, True]


def test_a_long_step_is_no_stall():
    clock = StallClock(patience=20)
    assert not any(clock.has_stalled(now, waiting=3, busy=True, progress=1) for now in range(0, 300, 5))


def test_any_step_starts_the_patience_anew():
    clock = StallClock(patience=20)
    assert not any(clock.has_stalled(now, waiting=3, busy=False, progress=now // 15) for now in range(0, 300, 5))


def test_a_worker_whose_consumer_went_deaf_ends_itself(tmp_path, own_redis_url):
    environ = os.environ | {
        "FEISHU_BATCH_REDIS_URL": own_redis_url,
        "FEISHU_BATCH_PLUGIN_ID": "p",
        "FEISHU_BATCH_PLUGIN_SECRET": "s",
        "FEISHU_BATCH_USER_KEY": "u",
        "FEISHU_BATCH_STALL_SECONDS": "2",
    }
    command = [
        sys.executable,
        "-m",
        "celery",
        "-A",
        "worker.app",
        "worker",
        "-P",
        "threads",
        "-c",
        "1",
        "-Q",
        "feishu.default",
    ]
    with (tmp_path / "log").open("w") as log:
        worker = subprocess.Popen(
            [*command, "--without-gossip", "--without-mingle"], env=environ, stdout=log, stderr=log
        )
    try:
        with Celery(broker=own_redis_url, set_as_current=False) as app:
            wait_until(lambda: app.control.ping(timeout=0.5))
            app.control.cancel_consumer("feishu.default", reply=True)
            app.send_task("feishu_batch.sweep", queue="feishu.default")
        worker.wait(timeout=40)
    finally:
        worker.kill()
        worker.wait()
    assert "worker.stalled" in (tmp_path / "log").read_text()


def wait_until(holds, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
