"""Which tests start real processes, and in which order files run: what takes longest first, so that it does not end last."""

import functools
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
# Each of these waits for processes: half a minute or more, most of it without computing.
LONGEST = (
    "probing/test_readings_for_real.py",
    "probing/test_limits_for_real.py",
    "cli/test_cli_probe.py",
    "e2e/test_clock_set.py",
    "deploy/test_sentinel.py",
    "deploy/test_compose.py",
    "deploy/test_rabbitmq.py",
    "chaos/test_crash_matrix.py",
    "docs/test_docs_restore.py",
    "docs/test_docs_run.py",
    "chaos/test_chaos.py",
    "deploy/test_moved_address.py",
    "deploy/test_password_file.py",
    "packaging/test_worker_wheel.py",
    "e2e/test_crashes.py",
    "deploy/test_redis_tls_acl.py",
    "web/test_web_browser.py",
    "e2e/test_two_deployments.py",
    "e2e/test_remote_trouble.py",
    "e2e/test_single_updates.py",
    "e2e/test_tables.py",
    "ledger/test_against_model.py",
    "cli/test_cli_for_real.py",
    "faults/test_security.py",
    "deploy/test_health.py",
    "processes/test_watchdog.py",
)
# Or they measure real time at a real server.
REAL_PROCESSES = (
    "bench",
    "chaos",
    "deploy",
    "docs",
    "e2e",
    "faults",
    "packaging",
    "processes",
    "support",
    "web",
    "cli/test_cli_for_real.py",
    "cli/test_cli_json.py",
    "cli/test_cli_main.py",
    "cli/test_cli_probe.py",
    "cli/test_cli_redis_away.py",
    "cli/test_cli_redis_urls.py",
    "cli/test_cli_watch.py",
    "client/test_deadline.py",
    "client/test_fork.py",
    "client/test_trouble.py",
    "fuzz/test_fuzz_queues.py",
    "ledger/test_clock.py",
    "ledger/test_token_store.py",
    "metrics",
    "pacing",
    "pipeline/test_publish.py",
    "probing/test_limits_for_real.py",
    "probing/test_readings_for_real.py",
    "reading/test_plan_diff.py",
    "reading/test_reading_for_real.py",
    "sandbox/test_sandbox_http.py",
    "sandbox/test_sandbox_singles.py",
    "scheduling/test_schedule_runs.py",
    "scheduling/test_schedules_for_real.py",
    "tracing",
)


def has_real_processes(item: pytest.Item) -> bool:
    return _of_file(item.path)[0]


def rank(item: pytest.Item) -> int:
    return _of_file(item.path)[1]


@functools.cache  # there are forty tests to a file
def _of_file(path: Path) -> tuple[bool, int]:
    place = path.relative_to(TESTS).as_posix()
    is_real = place.startswith(REAL_PROCESSES)
    return is_real, LONGEST.index(place) if place in LONGEST else len(LONGEST) + (not is_real)
