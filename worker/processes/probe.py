"""Whether the processes of this machine are healthy, by the state that each of them last recorded (beacon.py).

Containers and monitors run it every few seconds, so it imports only a little of the standard library.
"""

import json
import os
import time

SLACK = 2.0  # seconds
SIGNS_MISSED = 3  # missed records of a process, before it counts as stopped
BROKER_GONE = 30.0  # seconds; a restarted broker is back sooner
ROLES = ("submit", "poll", "intake", "beat")
DATA_DIR, DEFAULT_DATA_DIR = "FEISHU_BATCH_DATA_DIR", ".feishu-batch"


def unhealthy(roles: tuple[str, ...]) -> list[str]:
    """A sentence with advice for each problem."""
    folder = data_dir(os.environ)
    return [f"{role}: {line}" for role in roles for line in judged(role, _read(folder, role), time.monotonic())]


def judged(role: str, beacon: dict[str, object] | None, now: float) -> list[str]:
    """`beacon`: a `Beacon` as it was written; `now`: this machine's monotonic clock, as `at` in it."""
    restart = f"Check the log of {role}, then restart it; no change is lost."
    if beacon is None:
        advice = f"Wait for its first record, or run this command with the {DATA_DIR} of the process."
        return [f"the worker has recorded no state here. {advice}"]
    at, every, stalled_for, broker_gone_for, patience = (
        float(str(beacon[name])) for name in ("at", "every", "stalled_for", "broker_gone_for", "patience")
    )
    silent = now - at
    if not -SLACK <= silent <= SIGNS_MISSED * every + SLACK:  # negative: the machine was restarted since
        since = f"for {silent:.0f} s" if silent > 0 else "since this machine was started"
        return [f"the worker has recorded no state {since}. {restart}"]
    if stalled_for >= patience / 2:
        return [f"messages are waiting, and the worker has read none for {stalled_for:.0f} s. {restart}"]
    if broker_gone_for > BROKER_GONE:
        advice = "Check FEISHU_BATCH_BROKER_URL and the broker."
        return [f"the worker has not reached the broker for {broker_gone_for:.0f} s. {advice}"]
    trouble = beacon["trouble"]
    return [str(line) for line in trouble] if isinstance(trouble, list) else []


def file_of(folder: str, role: str) -> str:
    """One file per role and machine (or container) that shares the directory."""
    return os.path.join(folder, "health", f"{role}@{os.uname().nodename}.json")  # noqa: PTH118 - pathlib costs more than all of this


def data_dir(environ: "os._Environ[str]") -> str:
    """Read as the settings are: the environment, then a file ``.env`` in the working directory."""
    return environ.get(DATA_DIR) or _from_env_file() or DEFAULT_DATA_DIR


def _from_env_file() -> str:
    try:
        with open(".env", encoding="utf-8") as file:  # noqa: PTH123 - as above
            lines = [line.strip().removeprefix("export ").partition("=") for line in file]
    except (OSError, ValueError):
        return ""
    found = [value.partition(" #")[0].strip().strip("'\"") for name, _, value in lines if name.strip() == DATA_DIR]
    return found[-1] if found else ""


def _read(folder: str, role: str) -> dict[str, object] | None:
    try:
        with open(file_of(folder, role), encoding="utf-8") as file:  # noqa: PTH123 - as above
            seen = json.load(file)
    except (OSError, ValueError):
        return None
    known = (
        isinstance(seen, dict)
        and {"at", "every", "stalled_for", "broker_gone_for", "patience", "trouble"} <= seen.keys()
    )
    return seen if known else None
