"""Looks at one entry as an intake worker does, and kills itself at a step, if one is named.

python run_and_crash.py REDIS_URL PREFIX NOW ENTRY Class.method:before|after:n

NOW: unix seconds. ENTRY: JSON, as in the file of schedules.
"""

import functools
import os
import signal
import sys
import threading

from redis import Redis

from config.schedules import ScheduleEntry
from feishu_batch import FeishuBatch
from worker.scheduling.runner import Runner
from worker.scheduling.scheduler import Scheduler
from worker.scheduling.spool import RowSpool
from worker.scheduling.store import Schedules

OWNERS = {owner.__name__: owner for owner in (FeishuBatch, Runner, Schedules, RowSpool)}


def arm(crash: str) -> None:
    name, moment, count = crash.rsplit(":", 2)
    owner, method = name.split(".")
    original = getattr(OWNERS[owner], method)
    left = [int(count)]

    @functools.wraps(original)
    def armed(*args, **kwargs):
        left[0] -= 1
        if left[0] == 0 and moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        try:
            return original(*args, **kwargs)
        finally:
            if left[0] == 0 and moment == "after":
                os.kill(os.getpid(), signal.SIGKILL)

    setattr(OWNERS[owner], method, armed)


if __name__ == "__main__":
    url, prefix, moment, given, crash = sys.argv[1:]
    if crash:
        arm(crash)
    with Redis.from_url(url, decode_responses=True) as redis:
        store = Schedules(redis, prefix)
        now = float(moment)
        runner = Runner(store, lambda: FeishuBatch(url, key_prefix=prefix), lambda: now)
        Scheduler([ScheduleEntry.model_validate_json(given)], store, runner, lambda: now).look()
        for thread in threading.enumerate():
            if thread.name.startswith("schedule-"):
                thread.join()
