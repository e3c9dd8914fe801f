"""The units: systemd accepts them, they are confined, and they start the processes that `up` starts."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.deploy.compose_file import SECRETS, Containers, services
from tests.support.programs import require
from tests.support.waiting import PATIENCE
from worker.cli.run_role import ROLES

UNITS = Path(__file__).parents[2] / "deploy" / "systemd"
PROGRAM = "/opt/feishu-batch/bin/"
SETTINGS = {
    "FEISHU_BATCH_REDIS_URL": f"redis://:{SECRETS['REDIS_PASSWORD']}@redis:6379/0",
    "FEISHU_BATCH_BASE_URL": "http://127.0.0.1:8765",
}
CREDENTIALS = {
    "FEISHU_BATCH_PLUGIN_ID": "plugin",
    "FEISHU_BATCH_PLUGIN_SECRET": "secret",
    "FEISHU_BATCH_USER_KEY": "7300000000000000001",
}
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
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)


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


def as_service(name, instance):
    """What a unit starts, and with what environment."""
    text = (UNITS / name).read_text().replace("%i", instance)
    [command] = re.findall(r"^ExecStart=(.*)$", text, re.MULTILINE)
    [given] = re.findall(r"^Environment=(.*)$", text, re.MULTILINE)
    environment = {**SETTINGS, **dict(one.split("=", 1) for one in given.split())}
    if "credentials.env" in text:
        environment |= CREDENTIALS
    assert command.startswith(PROGRAM)
    return {
        "command": command.removeprefix(PROGRAM).split(),
        "environment": environment,
        "healthcheck": {"test": ["CMD", "feishu-batch", "health", instance]},
    }


def test_they_start_as_written(tmp_path):
    """Each with its own data directory, and only the workers with credentials."""
    require("docker-compose", "redis-server", "redis-cli")
    written = services(tmp_path, SECRETS)  # for a Redis and a sandbox
    for role in ROLES:
        written[role] = as_service("feishu-batch-beat.service" if role == "beat" else "feishu-batch@.service", role)
    page = as_service("feishu-batch-dashboard.service", "dashboard")
    written["dashboard"] = {**page, "healthcheck": written["dashboard"]["healthcheck"]}
    with Containers(tmp_path, written) as containers:
        for name in ("redis", "sandbox", *ROLES, "dashboard"):
            containers.start(name)
        containers.wait_healthy("redis", "sandbox", *ROLES, "dashboard")
        change = [
            "--project-key",
            "demo",
            "--type",
            "story",
            "--items",
            "1021",
            "--field",
            "Story points",
            "--after",
            "3",
        ]
        done = containers.run("dashboard", "feishu-batch", "enqueue", *change, "--wait")
        assert done.returncode == 0, done.stderr
        assert [containers.stop(name, timeout=40) for name in (*ROLES, "dashboard")] == [0] * 5
