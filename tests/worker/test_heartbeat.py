import time

from redis.exceptions import ConnectionError as RedisConnectionError

from tests.support.waiting import PATIENCE
from worker.heartbeat import Heartbeat


def test_a_lease_that_is_another_process_is_lost():
    with Heartbeat(lambda: False, interval=0.01, lease=60) as lease:
        assert not lease.lost
        wait_for(lambda: lease.lost)


def test_a_lease_that_nobody_could_renew_in_time_is_lost_though_nobody_said_so():
    def unreachable():
        raise RedisConnectionError

    with Heartbeat(unreachable, interval=0.01, lease=0.05) as lease:
        assert not lease.lost
        wait_for(lambda: lease.lost)


def test_a_beat_keeps_the_lease():
    with Heartbeat(lambda: True, interval=0.01, lease=0.2) as lease:
        time.sleep(0.3)
        assert not lease.lost


def wait_for(holds):
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)
