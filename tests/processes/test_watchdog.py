import os
import subprocess
import sys
import time

from celery import Celery
from redis import Redis
from redis.exceptions import OutOfMemoryError
from redis.exceptions import TimeoutError as RedisTimeoutError

from feishu_batch.redis_connections import ReadOnlyElsewhereError
from tests.support.waiting import PATIENCE, wait_until
from worker.processes.deliveries import DeliveryWatch, StallClock, Waiting
from worker.processes.watchdog import LedgerClock

READ_ONLY = ReadOnlyElsewhereError("You can't write against a read only replica.")


def test_a_worker_without_messages_is_idle_not_stalled():
    clock = StallClock(patience=20)
    assert not any(clock.has_stalled(now, waiting=Waiting(0), busy=False, progress=0) for now in range(0, 300, 5))


def test_messages_without_progress_are_a_stall_after_the_patience():
    clock = StallClock(patience=20)
    verdicts = [clock.has_stalled(now, waiting=Waiting(3), busy=False, progress=7) for now in range(0, 35, 5)]
    assert verdicts == [False, False, False, False, False, True, True]


def test_a_long_step_is_no_stall():
    clock = StallClock(patience=20)
    assert not any(clock.has_stalled(now, waiting=Waiting(3), busy=True, progress=1) for now in range(0, 300, 5))


def test_any_step_starts_the_patience_copied():
    clock = StallClock(patience=20)
    assert not any(
        clock.has_stalled(now, waiting=Waiting(3), busy=False, progress=now // 15) for now in range(0, 300, 5)
    )


def test_a_queue_that_nobody_consumes_is_a_stall_whatever_else_the_worker_does():
    clock = StallClock(patience=20)
    looks = [
        (now, clock.has_stalled(now, waiting=Waiting(3, consumers=0), busy=True, progress=now)) for now in (0, 10, 20)
    ]
    assert looks == [(0, False), (10, False), (20, True)]
    assert not clock.has_stalled(25, waiting=Waiting(3, consumers=1), busy=True, progress=25)
    assert not clock.has_stalled(60, waiting=Waiting(0, consumers=0), busy=False, progress=25)


class Counted:
    def __init__(self, **counts):
        self.counts = counts

    def of(self, queue):
        return self.counts[queue]


def test_each_queue_is_watched_for_itself_and_told_with_what_is_known_of_it():
    watch = DeliveryWatch(["a", "b"], patience=20)
    waiting = {"a": Waiting(1, consumers=1), "b": Waiting(5)}
    for now in (0, 10):
        assert watch.stalled(now, waiting, busy=False, progress=Counted(a=7, b=now)) == []
    assert watch.stalled_for(15) == 5
    told = watch.stalled(31, waiting, busy=False, progress=Counted(a=7, b=31))
    assert told == ["a: 1 message waiting, 1 consumer, none delivered for 21 s"]
    assert watch.stalled(40, None, busy=False, progress=Counted(a=7, b=31)) == []


def refused_for(*steps):
    clock = LedgerClock()
    for at, error in steps:
        clock.note(at, error)
    return clock.refused_for


def test_a_ledger_that_refuses_every_step_is_no_progress():
    assert refused_for((0, READ_ONLY), (10, RedisTimeoutError()), (21, READ_ONLY)) == 21


def test_one_step_that_ends_well_starts_the_patience_copied():
    assert refused_for((0, READ_ONLY), (10, None), (21, READ_ONLY), (22, READ_ONLY)) == 1


def test_a_worker_that_is_asked_nothing_after_a_refusal_is_idle():
    assert refused_for((0, READ_ONLY)) == 0


def test_an_error_that_is_not_of_the_connections_is_no_refusal():
    assert refused_for((0, OutOfMemoryError()), (21, OutOfMemoryError())) == 0
    assert refused_for((0, ValueError()), (21, ValueError())) == 0


def test_a_worker_whose_ledger_stays_read_only_ends_itself(tmp_path, redis_url, own_redis_url):
    """Messages come by another server; the ledger's became a replica, and its address leads nowhere else."""
    broker_url = redis_url.replace("/0", "/7")
    with Redis.from_url(own_redis_url) as ledger, Redis.from_url(broker_url) as broker:
        broker.flushdb()  # of what a first run left
        environ = os.environ | {
            "FEISHU_BATCH_REDIS_URL": own_redis_url,
            "FEISHU_BATCH_BROKER_URL": broker_url,
            "FEISHU_BATCH_PLUGIN_ID": "p",
            "FEISHU_BATCH_PLUGIN_SECRET": "s",
            "FEISHU_BATCH_USER_KEY": "u",
            "FEISHU_BATCH_STALL_SECONDS": "2",
        }
        command = [sys.executable, "-m", "celery", "-A", "worker.app", "worker", "-P", "threads", "-c", "1"]
        with (tmp_path / "log").open("w") as log:
            worker = subprocess.Popen(
                [*command, "-Q", "feishu.default", "--without-gossip", "--without-mingle"],
                env=environ,
                stdout=log,
                stderr=log,
            )
        try:
            with Celery(broker=broker_url, set_as_current=False) as app:
                wait_until(lambda: app.control.ping(timeout=2, limit=1), 30, "the worker answers")
                ledger.replicaof("127.0.0.1", "1")
                wait_until(
                    lambda: app.send_task("feishu_batch.sweep", queue="feishu.default") and ended(worker),
                    PATIENCE,
                    lambda: f"it ended; its log: {(tmp_path / 'log').read_text()[-3000:]}",
                )
        finally:
            worker.kill()
            worker.wait()
    assert "worker.ledger_refuses" in (tmp_path / "log").read_text()


def ended(worker):
    time.sleep(0.2)
    return worker.poll() is not None


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
            wait_until(lambda: app.control.ping(timeout=2, limit=1), 30, "the worker answers")
            app.control.cancel_consumer("feishu.default", reply=True)
            app.send_task("feishu_batch.sweep", queue="feishu.default")
        worker.wait(timeout=PATIENCE)
    finally:
        worker.kill()
        worker.wait()
    assert "worker.stalled" in (tmp_path / "log").read_text()
