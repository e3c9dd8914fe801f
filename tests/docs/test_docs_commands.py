"""Every command and option that a document names exists, and every command is documented."""

import re
import shlex
import subprocess
import sys

import click
import pytest

from tests.docs.pages import PAGES, code_of, text
from worker.cli.main import cli

CONTEXT = click.Context(cli)
NAMES = cli.list_commands(CONTEXT)
HANDWRITTEN = [page for page in PAGES if page.name != "commands.md"]  # which is made from the commands themselves
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")


def sandbox_help():
    return subprocess.run(
        [sys.executable, "-m", "sandbox", "--help"], capture_output=True, text=True, check=True
    ).stdout


def options_of(command):
    """Its own, and those of the commands that it consists of."""
    own = {opt for parameter in command.params for opt in (*parameter.opts, *parameter.secondary_opts)}
    return own.union({"--help"}, *(options_of(one) for one in getattr(command, "commands", {}).values()))


@pytest.fixture(scope="module")
def options():
    """Command → its options."""
    found = {name: options_of(cli.get_command(CONTEXT, name)) for name in NAMES}
    found["sandbox"] |= set(OPTION.findall(sandbox_help()))
    return found


def documented():
    """(page, command, its arguments) of every use of the command, where people wrote it."""
    for page in HANDWRITTEN:
        for code in code_of(page):
            for use in re.findall(r"(?:^|[\s(])feishu-batch ([a-z]+\b(?!\.)[^|<&]*)", code):
                name, *arguments = shlex.split(use, comments=True)
                yield page.name, name, arguments


def test_every_named_command_and_its_options_exist(options):
    wrong = []
    for page, name, arguments in documented():
        named = [argument.partition("=")[0] for argument in arguments if argument.startswith("--")]
        if name not in options or not set(named) <= options[name]:
            wrong.append((page, name, arguments))
    assert not wrong


def test_every_option_in_the_text_exists(options):
    known = set().union(*options.values())
    ours = [(page.name, code) for page in HANDWRITTEN for code in code_of(page) if code.startswith("--")]
    assert ours
    assert [(page, code) for page, code in ours if code.split()[0].partition("=")[0] not in known] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_command_is_documented(name):
    assert name in {command for _, command, _ in documented()}


def test_the_page_of_the_commands_has_each_of_them_once():
    subcommands = [f"schedule {name}" for name in cli.get_command(CONTEXT, "schedule").commands]
    headings = re.findall(r"^## (.+)$", text("docs/commands.md"), re.MULTILINE)
    assert sorted(headings) == sorted(["feishu-batch", *NAMES, *subcommands])


@pytest.mark.parametrize("name", NAMES)
def test_every_command_says_what_it_does(name):
    command = cli.get_command(CONTEXT, name)
    assert command.help
    assert "Exit codes:" in command.help
    assert [option.name for option in command.params if isinstance(option, click.Option) and not option.help] == []
