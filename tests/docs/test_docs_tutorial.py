"""The tutorial's way with the sandbox, from its first command to its last, and what it says that one sees."""

import re
import shlex
import urllib.request
from pathlib import Path

import pytest

from sandbox.process import SandboxProcess
from tests.docs.pages import block_with, blocks, commands_of
from tests.docs.shell import clean_environment, run, running_up
from tests.support.stack import SLOT
from tests.support.waiting import PROCESS_PAUSE, wait_until

TUTORIAL = "docs/tutorial.md"
BEFORE = ["make demo", ". .venv/bin/activate", "mkdir -p ~/feishu-tour && cd ~/feishu-tour"]  # the tests' environment
SHOWN_URL = "http://127.0.0.1:8765"
IMPORT_AGAIN = "feishu-batch import changes.csv --import-id sprint-7"
SOME_FAILED = [
    "feishu-batch plan changes.csv --check",
    "feishu-batch import changes.csv --import-id sprint-7 --wait --report outcome.csv",
    IMPORT_AGAIN,  # an item of an earlier row has failed, and is not sent again
]
EVERYTHING = {
    **{item: {"priority", "field_3f6a90"} for item in (1001, 1002, 1003)},
    1004: {"field_f5ed1b"},
    1005: {"priority"},
}


def sandbox_part() -> list[str]:
    commands = commands_of(TUTORIAL)
    return commands[: commands.index("feishu-batch doctor")]


def fault_of(sandbox: str) -> str:
    """The tests' sandbox has another port and faster jobs, and the same fault."""
    name, command, port, number, option, fault = shlex.split(sandbox)
    assert [name, command, port, number, option] == ["feishu-batch", "sandbox", "--port", "8765", "--fault"]
    return fault


def pattern(line: str) -> re.Pattern[str]:
    """A line as shown: blanks do not count, `…` is anything."""
    words = [re.escape(part) for part in " ".join(line.split()).split("…")]
    return re.compile(".*".join(words))


def shown(block: str, printed: str) -> list[str]:
    """The lines of a block of output that were not printed."""
    seen = [" ".join(line.split()) for line in printed.splitlines()]
    return [line for line in block.splitlines() if not any(map(pattern(line).fullmatch, seen))]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    changes, table = blocks(TUTORIAL, "csv")
    (tmp_path / "changes.csv").write_text(changes)
    (tmp_path / "sprint.csv").write_text(table)
    return tmp_path


def test_the_tutorial_says_what_one_sees(directory):
    commands = sandbox_part()
    assert commands[:3] == BEFORE
    sandbox_command, up, *others = commands[3:]
    assert up == "feishu-batch up"
    with SandboxProcess(faults=[fault_of(sandbox_command)], window=SLOT, job_median=SLOT) as sandbox:
        given = block_with(TUTORIAL, "ini", "=demo").replace(SHOWN_URL, sandbox.base_url)
        (directory / ".env").write_text(given)
        # A reader is slower: a read of a cell that was written a moment ago proves nothing.
        fast = {"FEISHU_BATCH_SLOT_SECONDS": str(SLOT), "FEISHU_BATCH_READS_BEHIND_SECONDS": "0"}
        environ = clean_environment() | fast
        there = {"cwd": directory, "env": environ}
        with running_up(directory, environ) as log:
            printed, codes = [as_shown(log.read_text(), sandbox.base_url)], {}
            for command in others:
                if command == IMPORT_AGAIN:
                    correct(directory)
                    wait_until(
                        lambda: "20050" not in run("feishu-batch failures", **there).stdout,
                        30,
                        "the retry ends",
                        pause=PROCESS_PAUSE,
                    )
                result = run(command, **there)
                codes[command] = result.returncode
                printed.append(result.stdout)
            wait_until(lambda: changed(sandbox) == EVERYTHING, 30, "every change of the tutorial is there")
        assert sandbox.violations()["total"] == 0
    assert codes == {**dict.fromkeys(others, 0), **dict.fromkeys(SOME_FAILED, 1)}
    output = "\n".join(printed)
    assert re.search(r"^2 +1 +Priority: P1 *$", output, re.MULTILINE), "plan names the largest groups as people do"
    assert [line for block in blocks(TUTORIAL, "text") for line in shown(block, output)] == [], output


def as_shown(said: str, sandbox_url: str) -> str:
    """What `up` said, with the ports of the tutorial; its page is there."""
    [(line, page)] = re.findall(r"^(status page: (\S+).*)", said, re.MULTILINE)
    with urllib.request.urlopen(page) as answer:
        assert b"feishu-batch" in answer.read()
    return said.replace(line, "status page: http://127.0.0.1:8650").replace(sandbox_url, SHOWN_URL)


def changed(sandbox: SandboxProcess) -> dict[int, set[str]]:
    return {item: set(fields) for item, fields in sandbox.values().items()}


def correct(directory: Path) -> None:
    """The reader's own step before the second import."""
    file = directory / "changes.csv"
    file.write_text(file.read_text().replace("P9", "P0"))
