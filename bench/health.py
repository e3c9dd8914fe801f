"""What a health check costs: `feishu-batch health`, and loading the command line as every other command does.

python -m bench.health [--rounds 20]

CPU seconds per call, of the whole process, with four beacons of well processes in a directory of its own.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from worker.processes.beacon import Beacon, beacon_file, light
from worker.processes.probe import ROLES

WAYS = {
    "health": "from worker.start import main; main()",
    "health, by the command line": "from worker.cli.main import main; main()",
}


def cpu_of(code: str, folder: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    env = {**os.environ, "FEISHU_BATCH_DATA_DIR": folder}
    subprocess.run([sys.executable, "-c", code, "health"], env=env, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--quick", action="store_true", help="a short run")
    parser.add_argument("--smoke", action="store_true", help="parse the command line and end")
    given = parser.parse_args()
    if given.smoke:
        sys.exit(0)
    rounds = 5 if given.quick else given.rounds
    with tempfile.TemporaryDirectory() as folder:
        for role in ROLES:
            light(beacon_file(Path(folder), role), Beacon(time.monotonic(), 600.0, []))
        for way, code in WAYS.items():
            used = [cpu_of(code, folder) for _ in range(rounds)]
            print(f"{way:<28} {statistics.median(used):.3f} s of CPU (at most {max(used):.3f})")


if __name__ == "__main__":
    main()
