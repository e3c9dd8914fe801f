"""How long until work goes on after all four workers were killed in the moment in which somebody set the clock.

python -m tests.chaos.clock_times [--rounds 10]

Real processes and a server with an append-only file, their clocks set while they run. From the start of the workers, half a second
after they were killed, as `up` does it, to the next request at the sandbox; and for each worker how long its own start took.
"""

import argparse
import statistics
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from tests.support.clock_stack import ClockStack
from tests.support.model import intent
from tests.support.stack import WORKERS
from tests.support.waiting import wait_until

STEPS = (-120, -3600, 3600)  # seconds
PAUSE = 0.5  # seconds until `up` starts a worker again


def arrivals(stack: ClockStack) -> list[float]:
    told = [one for one in stack.sandbox.report()["endpoints"] if one["endpoint"] == "batch_update"]
    return list(told[0]["arrivals"]) if told else []


def one_round(stack: ClockStack, number: int, step: int) -> float:
    """Seconds. All intents are of one cell, so that each takes a request."""
    before = len(arrivals(stack))
    handles = stack.client.enqueue_many(
        [intent([1100 + n % 50], f"{number} {n}", keep_every_change=True) for n in range(40)]
    )
    wait_until(lambda: len(arrivals(stack)) >= before + 5, 60, "requests arrive")
    stack.kill(*WORKERS)
    stack.clocks.step(step)
    time.sleep(PAUSE)
    seen = len(arrivals(stack))
    began = time.monotonic()
    stack.start(*WORKERS)
    wait_until(lambda: len(arrivals(stack)) > seen, 120, "work goes on")
    took = time.monotonic() - began
    stack.wait_all(handles, 120)
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--lease", type=float, default=6.0)
    asked = parser.parse_args()
    took: dict[int, list[float]] = defaultdict(list)
    with (
        tempfile.TemporaryDirectory(prefix="clock-times-") as directory,
        ClockStack(
            Path(directory),
            lease_seconds=asked.lease,
            grace_seconds=asked.lease + 1,
            sweep_seconds=2.0,
            heartbeat_seconds=1.5,
        ) as stack,
    ):
        for number in range(asked.rounds):
            step = STEPS[number % len(STEPS)]
            took[step].append(one_round(stack, number, step))
            print(f"{step:+} s: {took[step][-1]:.1f} s", flush=True)
        stack.assert_rules_kept()
    every = [one for some in took.values() for one in some]
    print(f"median {statistics.median(every):.1f} s, worst {max(every):.1f} s of {len(every)}")


if __name__ == "__main__":
    main()
