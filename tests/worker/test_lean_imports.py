"""What a worker loads at its start stays in memory for good, once per process."""

import subprocess
import sys

from tests.support.waiting import PATIENCE

RARE = ["openpyxl", "starlette", "uvicorn", "prometheus_client", "click.testing", "flower", "selenium"]


def test_a_worker_loads_nothing_that_only_a_command_or_a_page_needs():
    code = f"import sys, worker.app, tasks; print([name for name in {RARE} if name in sys.modules])"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=PATIENCE)
    assert told.stdout.strip() == "[]"
