"""Help, exit codes, and what is said when something is missing."""

import os
import socket
import subprocess
import sys

import pytest
from click.testing import CliRunner

from worker.cli import main
from worker.cli.main import _COMMANDS, cli
from worker.operating import session


def run(*args, **env):
    return CliRunner(env=env).invoke(cli, args, catch_exceptions=False)


def test_help_lists_every_command():
    result = run("--help")
    assert result.exit_code == 0
    assert all(f"\n  {name} " in result.stdout for name in _COMMANDS)
    assert "…" not in result.stdout.partition("Commands:")[2]


@pytest.mark.parametrize("name", _COMMANDS)
def test_every_command_tells_purpose_example_and_exit_codes(name):
    result = run(name, "--help")
    assert result.exit_code == 0
    assert f"feishu-batch {name}" in result.stdout
    assert "Example" in result.stdout
    assert "Exit codes: 0 " in result.stdout
    assert "\b" not in result.stdout
    assert "\\b" not in result.stdout


@pytest.mark.parametrize("args", [("nonsense",), ("status", "--nonsense"), ("show",), ("enqueue", "--item", "x"), ()])
def test_wrong_use_is_2(args):
    assert run(*args).exit_code == 2


READING = [("status",), ("show", "some-id"), ("failures",), ("cancel", "some-id"), ("pause",), ("resume",)]


@pytest.mark.usefixtures("nothing_set")
@pytest.mark.parametrize("args", READING)
def test_without_redis_it_says_what_to_do(args):
    result = run(*args)
    assert result.exit_code == 3
    assert "start `feishu-batch up` or set FEISHU_BATCH_REDIS_URL" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ""


@pytest.mark.usefixtures("nothing_set")
@pytest.mark.parametrize("args", [*READING, ("enqueue", "--json", "{}"), ("import", "-", "--format", "csv"), ("up",)])
def test_an_unreachable_redis_is_one_line_without_its_password(args):
    env = {f"FEISHU_BATCH_{name}": "x" for name in ("PLUGIN_ID", "PLUGIN_SECRET", "USER_KEY")}
    result = run(*args, FEISHU_BATCH_REDIS_URL="redis://:s3cr3t@127.0.0.1:1/0", **env)
    if args[0] == "enqueue":  # what was asked is looked at first
        assert result.exit_code == 2
        return
    assert result.exit_code == 3
    assert "127.0.0.1:1" in result.stderr
    assert "s3cr3t" not in result.output
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.usefixtures("nothing_set")
def test_a_wrong_setting_is_2_and_names_the_variable():
    result = run("status", FEISHU_BATCH_SLOT_SECONDS="fast")
    assert result.exit_code == 2
    assert "FEISHU_BATCH_SLOT_SECONDS" in result.stderr


@pytest.mark.usefixtures("nothing_set")
def test_up_without_credentials_is_2_and_names_them(tmp_path):
    result = run("up")
    assert result.exit_code == 2
    assert "FEISHU_BATCH_PLUGIN_ID" in result.stderr
    assert not (tmp_path / ".feishu-batch").exists()


@pytest.mark.usefixtures("nothing_set")
@pytest.mark.parametrize("error", [KeyboardInterrupt])
def test_ctrl_c_is_130_with_a_short_line(monkeypatch, error):
    def interrupt(_environ=None):
        raise error

    monkeypatch.setattr(session, "load_settings", interrupt)
    result = run("status")
    assert result.exit_code == 130
    assert result.stderr.strip() == "Interrupted. Enqueued work continues: feishu-batch status"


@pytest.mark.usefixtures("nothing_set")
def test_what_nobody_foresaw_is_raised_and_not_hidden(monkeypatch):
    monkeypatch.setattr(session, "load_settings", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run("status")


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_has_seen_enough_causes_no_complaint(unbuffered):
    command = f"{sys.executable} -m worker.cli.main --help | true"
    env = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    done = subprocess.run(["bash", "-c", command], check=False, capture_output=True, text=True, timeout=30, env=env)
    assert done.stderr == ""


def test_the_entry_point_is_the_group():
    with pytest.raises(SystemExit) as ended:
        main.cli.main(["--version"])
    assert ended.value.code == 0


@pytest.mark.usefixtures("nothing_set")
@pytest.mark.parametrize("name", [*READING, ("plan", "-", "--format", "csv")])
def test_a_misspelt_variable_is_named_once_with_the_nearest_right_one(name):
    result = run(*name, FEISHU_BATCH_REDIS_URI="redis://x", FEISHU_BATCH_DATADIR="x")
    warnings = [line for line in result.stderr.splitlines() if line.startswith("warning")]
    assert warnings == [
        "warning: FEISHU_BATCH_DATADIR is not a setting and is ignored; did you mean FEISHU_BATCH_DATA_DIR?",
        "warning: FEISHU_BATCH_REDIS_URI is not a setting and is ignored; did you mean FEISHU_BATCH_REDIS_URL?",
    ]


@pytest.mark.usefixtures("nothing_set")
def test_up_guesses_that_the_url_is_that_of_its_own_server(tmp_path):
    url = "redis://:s3cr3t@127.0.0.1:1/0"
    (tmp_path / ".feishu-batch").mkdir()
    (tmp_path / ".feishu-batch" / "redis-url").write_text(url + "\n")
    env = {f"FEISHU_BATCH_{name}": "x" for name in ("PLUGIN_ID", "PLUGIN_SECRET", "USER_KEY")}
    told = run("up", FEISHU_BATCH_REDIS_URL=url, **env)
    assert told.exit_code == 3
    assert "That is the embedded server of an earlier `up`: unset FEISHU_BATCH_REDIS_URL" in told.stderr
    assert "s3cr3t" not in told.stderr
    assert "Or unset it" in run("up", FEISHU_BATCH_REDIS_URL="redis://localhost:1/0", **env).stderr


def test_a_mistyped_command_is_guessed(command):
    assert "No such command 'imprt'; did you mean import?" in command("imprt").stderr
    assert "did you mean" not in command("zzz").stderr


def test_a_port_that_is_taken_is_reported_by_what_named_it(command):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert "set --port to another one" in command("dashboard", "--port", port).stderr
        command.env["FEISHU_BATCH_DASHBOARD_PORT"] = str(port)
        assert "set FEISHU_BATCH_DASHBOARD_PORT to another one" in command("dashboard").stderr
