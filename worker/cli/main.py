"""The command `feishu-batch`: its subcommands, and the one place where errors become exit codes."""

import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from difflib import get_close_matches
from importlib import import_module
from inspect import cleandoc
from typing import Any, Final, NoReturn

import click

from worker.cli.errors import DONE, INTERRUPTED, SOME_FAILED, UNREACHABLE, WRONG_USE, exit_code_of
from worker.cli.options import AS_JSON
from worker.operating.errors import OperatingError

# Loaded on demand: `status` should not wait until a web server is imported.
_COMMANDS: Final = {
    "demo": "worker.cli.demo:demo",
    "up": "worker.cli.up:up",
    "run": "worker.cli.run_role:run",
    "health": "worker.cli.health:health",
    "enqueue": "worker.cli.enqueue:enqueue",
    "import": "worker.cli.import_file:import_file",
    "plan": "worker.cli.plan:plan",
    "export": "worker.cli.export:export",
    "status": "worker.cli.status:status",
    "watch": "worker.cli.watch:watch",
    "dashboard": "worker.cli.dashboard:dashboard",
    "metrics": "worker.cli.metrics:metrics",
    "show": "worker.cli.show:show",
    "history": "worker.cli.history:history",
    "sets": "worker.cli.sets:sets",
    "failures": "worker.cli.failures:failures",
    "retry": "worker.cli.retry:retry",
    "undo": "worker.cli.undo:undo",
    "cancel": "worker.cli.cancel:cancel",
    "pause": "worker.cli.pause_resume:pause",
    "resume": "worker.cli.pause_resume:resume",
    "rebind": "worker.cli.rebind:rebind",
    "schedule": "worker.cli.schedule:schedule",
    "fields": "worker.cli.fields:fields",
    "doctor": "worker.cli.doctor:doctor",
    "probe": "worker.cli.probe:probe",
    "sandbox": "worker.cli.sandbox:sandbox",
    "completion": "worker.cli.completion:completion",
}

# These commands read no settings, or report wrong settings themselves.
_WITHOUT_SETTINGS: Final = frozenset({"demo", "sandbox", "completion", "doctor"})


class Commands(click.Group):
    """A group whose commands return their exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as above
        if cmd_name not in _COMMANDS:
            return None
        module, _, attribute = _COMMANDS[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        for one in (command, *getattr(command, "commands", {}).values()):
            one.help = _with_layout(one.help or "")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            if not (near := get_close_matches(args[0], _COMMANDS, n=1)):
                raise
            raise click.UsageError(f"{error.message.rstrip('.')}; did you mean {near[0]}?", ctx) from None

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self.help = _with_layout(self.help or "")
        super().format_help_text(ctx, formatter)

    def main(self, args: Sequence[str] | None = None, prog_name: str | None = None, **_extra: Any) -> NoReturn:  # type: ignore[override]  # click's overloads depend on standalone_mode
        """Always ends the process: with what the command returned, or with the error's exit code."""
        sys.exit(self._run(args, prog_name or "feishu-batch"))

    def _run(self, args: Sequence[str] | None, prog_name: str) -> int:
        noted: dict[str, bool] = {}  # by the option --json
        try:
            code = super().main(args, prog_name, standalone_mode=False, obj=noted)
            sys.stdout.flush()
        except BrokenPipeError:
            return _stop_writing()
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - what is not ours is raised again there
            return _say(error, as_json=AS_JSON in noted)
        return code if isinstance(code, int) else DONE


def _stop_writing() -> int:
    """The reader (head, less) closed the pipe. Exit code 1 without a message, as click and rich do; Python's last flush would complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return SOME_FAILED


def _with_layout(text: str) -> str:
    """Paragraphs with indented lines (examples, lists) keep their line breaks; click wraps the others."""
    paragraphs = cleandoc(text).replace("\b\n", "").split("\n\n")
    return "\n\n".join("\b\n" + one if "\n  " in one else one for one in paragraphs)


def _say(error: BaseException, *, as_json: bool) -> int:
    """Print the error's message and return its exit code. An unexpected error is raised again, to be reported as a bug.

    `as_json`: also as the document on stdout, for a program that reads one.
    """
    code: int | None
    if isinstance(error, click.ClickException):
        code, text = WRONG_USE, error.format_message()
        error.show()
    elif isinstance(error, click.Abort | KeyboardInterrupt):
        code, text = INTERRUPTED, "Interrupted. Enqueued work continues: feishu-batch status"
        click.echo(text, err=True)
    else:
        code, text = _exit_code_of(error), _in_words(error)
        if code is None:
            raise error
        click.echo(f"feishu-batch: {text}", err=True)
    if as_json:
        click.echo(json.dumps({"error": text, "exit_code": code}, ensure_ascii=False))
    return code


def _in_words(error: BaseException) -> str:
    from redis.exceptions import RedisError  # noqa: PLC0415 - as below

    from feishu_batch.errors import LedgerFormatError  # noqa: PLC0415 - as below
    from feishu_batch.redis_trouble import explain  # noqa: PLC0415 - as below

    if isinstance(error, LedgerFormatError):
        return str(error)
    return (isinstance(error, RedisError) and explain(error, "FEISHU_BATCH_REDIS_URL")) or str(error)


def _exit_code_of(error: BaseException) -> int | None:
    # Imported here: most runs need none of these, and some are slow to import.
    from redis.exceptions import RedisError  # noqa: PLC0415 - see above

    from config.errors import ConfigError  # noqa: PLC0415 - see above
    from feishu_batch import errors as client  # noqa: PLC0415 - see above
    from worker.operating.embedded_files import EmbeddedServerError  # noqa: PLC0415 - see above

    if isinstance(error, OperatingError):
        return exit_code_of(error)
    if isinstance(error, client.LedgerFormatError):
        return WRONG_USE
    if isinstance(error, client.EnqueueError | client.ReadError | RedisError | EmbeddedServerError):
        return UNREACHABLE
    if isinstance(error, client.FeishuBatchError | ConfigError | OSError):
        return WRONG_USE
    return None


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="feishu-batch-worker", prog_name="feishu-batch")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Change fields of Feishu Project work items in bulk, within the rate limit of Feishu Project.

    New here? `feishu-batch demo` shows everything in a minute and needs no account.

    Exit codes of every command:
      0    done
      1    some items failed, or did not end in time
      2    wrong use or input; nothing was changed
      3    a component cannot be reached; the message says which
      130  interrupted with Ctrl-C; enqueued work continues
    """
    if ctx.invoked_subcommand not in _WITHOUT_SETTINGS:
        _warn_of_unknown_variables()


def _warn_of_unknown_variables() -> None:
    from config.platform import of_platform  # noqa: PLC0415 - as in _exit_code_of
    from config.settings import process_environment, unknown_variables  # noqa: PLC0415 - as in _exit_code_of

    with suppress(OSError, ValueError):  # a .env file that cannot be read; the command reports it
        environ = process_environment()
        if names := of_platform(environ):
            more = f" and {len(names) - 1} more like it" if len(names) > 1 else ""
            click.echo(f"note: {names[0]}{more} ignored: set by the container platform, not by you", err=True)
        for name, nearest in unknown_variables(environ).items():
            guess = f"; did you mean {nearest}?" if nearest else ""
            click.echo(f"warning: {name} is not a setting and is ignored{guess}", err=True)


def main() -> NoReturn:
    cli.main()


if __name__ == "__main__":
    main()
