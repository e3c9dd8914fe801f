"""The units: systemd accepts them, they are confined, and they start the processes that `up` starts."""

import re
import subprocess
from pathlib import Path

import pytest
from deploy_servers import require

from worker.cli.run_role import ROLES

UNITS = Path(__file__).parents[2] / "deploy" / "systemd"
SERVICES = ("feishu-batch@.service", "feishu-batch-beat.service", "feishu-batch-dashboard.service")


@pytest.fixture
def here(tmp_path):
    """The units with what is not installed here replaced: the program and the user."""
    for unit in UNITS.glob("feishu-batch*.service"):
        text = unit.read_text().replace("ExecStart=/opt/feishu-batch/bin/feishu-batch ", "ExecStart=/bin/true ")
        text = re.sub(r"^(User|Group)=.*$", r"\1=daemon", text, flags=re.MULTILINE)
        (tmp_path / unit.name.replace("@.", "@submit.")).write_text(text)
    return tmp_path


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_systemd_accepts_them(here):
    require("systemd-analyze")
    told = run("systemd-analyze", "verify", *map(str, here.glob("*.service")))
    assert (told.returncode, told.stderr) == (0, "")


@pytest.mark.parametrize("name", SERVICES)
def test_they_are_confined(here, name):
    require("systemd-analyze")
    told = run(
        "systemd-analyze", "security", "--offline=true", "--threshold=20", str(here / name.replace("@.", "@submit."))
    )
    assert told.returncode == 0, told.stdout[-300:]


@pytest.mark.parametrize("name", SERVICES)
def test_they_promise_no_watchdog_that_nobody_feeds(name):
    keys = dict(line.split("=", 1) for line in (UNITS / name).read_text().splitlines() if re.match(r"\w+=", line))
    assert "WatchdogSec" not in keys
    assert keys["Type"] == "exec"
    assert keys["Restart"] == "always"
    assert int(keys["TimeoutStopSec"]) > 30
    assert keys["NoNewPrivileges"] == "yes"
    assert keys["ProtectSystem"] == "strict"
    assert keys["StateDirectory"].startswith("feishu-batch/")


def test_the_target_wants_every_role_and_only_workers_have_credentials():
    target = (UNITS / "feishu-batch.target").read_text()
    wanted = set(re.findall(r"feishu-batch[@-]\w+\.service", target))
    assert wanted == {
        "feishu-batch@submit.service",
        "feishu-batch@poll.service",
        "feishu-batch@intake.service",
        "feishu-batch-beat.service",
        "feishu-batch-dashboard.service",
    }
    assert {name for name in SERVICES if "credentials.env" in (UNITS / name).read_text()} == {"feishu-batch@.service"}
    assert {re.search(r"[@-](\w+)\.service", name)[1] for name in wanted} - {"dashboard"} == set(ROLES)
