"""`watch` and `completion`."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from tests.support.waiting import PATIENCE
from worker.cli import watch
from worker.ledger.reads.ledger import LedgerReads
from worker.operating.views import Use, lane_view

WATCH = [sys.executable, "-m", "worker.cli.main", "watch", "--every", "0.2"]
# Ctrl-C on a terminal is a signal to whom the terminal belongs.
OWN_IT = "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0)"
ON_TERMINAL = [sys.executable, "-c", f"{OWN_IT}; from worker.cli.main import cli; cli.main({WATCH[3:]})"]


@pytest.fixture
def environment(command):
    return {**os.environ, **command.env, "TERM": "xterm", "COLUMNS": "120", "LINES": "40"}


def test_one_picture_tells_it_all(command, ledger):
    command.enqueue(*range(1, 61))
    ledger.take_in()
    ledger.settle(ledger.claim(), {3: "Terminated"})
    last = command.enqueue(99, field="owner")
    ledger.take_in()
    ledger.settle(ledger.claim())
    ledger.accept(ledger.claim())
    command.enqueue(7)
    text = command("watch", "--once").stdout
    assert text.startswith("inbox 1 intent\n"), "no key ends what ended by itself"
    assert "0 changes ready in 0 groups" in text
    assert "1 job open" in text
    assert "50/50" in text
    assert last


def test_failures_and_pauses_are_reported(command, ledger):
    command.enqueue(1)
    ledger.do_all({1: "Terminated"})
    command("pause", "--reason", "lunch")
    text = command("watch", "--once").stdout
    assert "the remote said Terminated" in text
    assert "PAUSED" in text
    assert "lunch; then: feishu-batch resume" in text


def test_trouble_with_the_remote_system_is_reported(command, ledger):
    ledger.lane.last_errors.note("submit", "the connection was refused")
    assert "sending fails, and is retried: the connection was refused" in command("watch", "--once").stdout
    [lane] = json.loads(command("watch", "--once", "--json").stdout)["lanes"]
    assert [(one["what"], one["error"]) for one in lane["troubles"]] == [("submit", "the connection was refused")]


def test_wrong_use_and_no_redis(command):
    assert command("watch", "--once", "--lane", "nowhere").exit_code == 2
    command.env["FEISHU_BATCH_REDIS_URL"] = "redis://127.0.0.1:1/0"
    assert command("watch", "--once").exit_code == 3


def test_slot_use_is_that_of_the_last_minute():
    use = Use(slot_seconds=1.0)
    use.note(0, 100)
    assert use.share is None
    use.note(10, 105)
    assert use.share == 0.5
    for second in range(11, 200):
        use.note(second, 105 + second)
    assert use.share == 1.0
    assert len(use.looks) <= 62


def test_elsewhere_than_on_a_terminal_it_writes_lines_until_ctrl_c(environment):
    with subprocess.Popen(WATCH, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        first, second = process.stdout.readline(), process.stdout.readline()
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=PATIENCE)
    assert first.startswith("lane default · slots used …")
    assert second.startswith("lane default")
    assert (process.returncode, errors) == (130, "")
    assert "Traceback" not in rest


@pytest.mark.parametrize(("key", "code"), [(b"q", 0), (b"\x03", 130)])
def test_on_a_terminal_q_and_ctrl_c_end_it_quietly(environment, key, code):
    ours, theirs = pty.openpty()
    streams = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
    process = subprocess.Popen(ON_TERMINAL, env=environment, start_new_session=True, **streams)
    os.close(theirs)
    shown = read_until(ours, b"lane default")
    os.write(ours, key)
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        shown += read(ours)
    process.kill()
    assert process.wait() == code
    assert b"Traceback" not in shown
    os.close(ours)


def read(terminal):
    if not select.select([terminal], [], [], 0.1)[0]:
        return b""
    try:
        return os.read(terminal, 65536)
    except OSError:  # the other end is closed
        return b""


def read_until(terminal, mark):
    seen, deadline = b"", time.monotonic() + PATIENCE
    while mark not in seen:
        assert time.monotonic() < deadline, seen
        seen += read(terminal)
    return seen


def test_a_paused_lane_is_paused_in_lines_too(command, ledger, redis, prefix):
    from worker.cli.watch import LaneLook, Picture, lines
    from worker.operating.views import inbox_view

    reads = LedgerReads(redis, prefix)
    view = replace(lane_view(reads, ledger.lane), pause={"reason": "x", "since": 0})
    assert lines(Picture(inbox_view(reads), (LaneLook(view),)))[0].startswith("lane default · PAUSED")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_a_script_of_that_shell(command, shell):
    result = command("completion", shell)
    assert result.exit_code == 0
    assert "_FEISHU_BATCH_COMPLETE" in result.stdout
    assert f"{shell}_complete" in result.stdout


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("re", ["plain,retry", "plain,resume", "plain,rebind"]),
        ("import spr", ["file,spr"]),  # bash takes it from there
        ("plan --enc", ["plain,--encoding"]),
        ("show --items fa", ["plain,failed"]),
    ],
)
def test_commands_options_and_files_are_completed(line, offered):
    words = {"COMP_WORDS": f"feishu-batch {line}", "COMP_CWORD": str(len(line.split()))}
    env = {**os.environ, "_FEISHU_BATCH_COMPLETE": "bash_complete", **words}
    code = "from worker.cli.main import cli; cli.main(prog_name='feishu-batch')"
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.stdout.split() == offered
    assert done.stderr == ""


def test_an_unknown_shell_is_2(command):
    assert command("completion", "cmd").exit_code == 2


def test_for_a_program_a_look_is_a_line(command, ledger):
    command.enqueue(*range(1, 61))
    ledger.take_in()
    told = command("watch", "--once", "--json").stdout
    assert len(told.splitlines()) == 1
    document = json.loads(told)
    assert (document["inbox"], document["lanes"][0]["ready_changes"], document["lanes"][0]["requests_left"]) == (
        0,
        60,
        2,
    )


def test_for_a_program_an_absence_of_redis_is_a_line_too():
    [line] = watch._json_line(None)
    assert json.loads(line)["lanes"] is None
