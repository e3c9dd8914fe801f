"""The command `feishu-batch`: which commands there are, and the one place where errors become exit codes."""

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from difflib import get_close_matches
from importlib import import_module
from inspect import cleandoc
from typing import Any, Final, NoReturn

import click

from worker.cli.errors import DONE, INTERRUPTED, SOME_FAILED, UNREACHABLE, WRONG_USE, CliError

# Loaded when asked for: a quick look at the status should not wait for a web server to be imported.
_COMMANDS: Final = {
    "demo": "worker.cli.demo:demo",
    "up": "worker.cli.up:up",
    "run": "worker.cli.run_role:run",
    "health": "worker.cli.health:health",
    "enqueue": "worker.cli.enqueue:enqueue",
    "import": "worker.cli.import_file:import_file",
    "plan": "worker.cli.plan:plan",
    "status": "worker.cli.status:status",
    "watch": "worker.cli.watch:watch",
    "dashboard": "worker.cli.dashboard:dashboard",
    "metrics": "worker.cli.metrics:metrics",
    "show": "worker.cli.show:show",
    "failures": "worker.cli.failures:failures",
    "retry": "worker.cli.retry:retry",
    "cancel": "worker.cli.cancel:cancel",
    "pause": "worker.cli.steer:pause",
    "resume": "worker.cli.steer:resume",
    "schedule": "worker.cli.schedule:schedule",
    "fields": "worker.cli.fields:fields",
    "doctor": "worker.cli.doctor:doctor",
    "sandbox": "worker.cli.sandbox:sandbox",
    "completion": "worker.cli.completion:completion",
}

# These read none, or say themselves what is wrong with them.
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
        try:
            code = super().main(args, prog_name, standalone_mode=False)
            sys.stdout.flush()
        except BrokenPipeError:
            return _stop_writing()
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - what is not ours is raised again there
            return _say(error)
        return code if isinstance(code, int) else DONE


def _stop_writing() -> int:
    """The reader (head, less) has seen enough. Quietly 1, as click and rich end then; Python's last flush would complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return SOME_FAILED


def _with_layout(text: str) -> str:
    """Paragraphs with indented lines (examples, lists) keep their lines; click folds the others to the terminal's width."""
    paragraphs = cleandoc(text).replace("\b\n", "").split("\n\n")
    return "\n\n".join("\b\n" + one if "\n  " in one else one for one in paragraphs)


def _say(error: BaseException) -> int:
    """Print the error's message and return its exit code; what nobody foresaw is raised again, to be reported as a bug."""
    if isinstance(error, click.ClickException):
        error.show()
        return WRONG_USE
    if isinstance(error, click.Abort | KeyboardInterrupt):
        click.echo("Interrupted. What was enqueued goes on; look with: feishu-batch status", err=True)
        return INTERRUPTED
    code = _exit_code_of(error)
    if code is None:
        raise error
    click.echo(f"feishu-batch: {_in_words(error)}", err=True)
    return code


def _in_words(error: BaseException) -> str:
    from redis.exceptions import RedisError  # noqa: PLC0415 - as below

    from feishu_batch.redis_trouble import explain  # noqa: PLC0415 - as below

    return (isinstance(error, RedisError) and explain(error, "FEISHU_BATCH_REDIS_URL")) or str(error)


def _exit_code_of(error: BaseException) -> int | None:
    # Only now: the usual run needs none of these, and some are slow to import.
    from redis.exceptions import RedisError  # noqa: PLC0415 - see above

    from config.errors import ConfigError  # noqa: PLC0415 - see above
    from feishu_batch import errors as client  # noqa: PLC0415 - see above
    from worker.processes.embedded import EmbeddedServerError  # noqa: PLC0415 - see above

    if isinstance(error, CliError):
        return error.exit_code
    if isinstance(error, client.EnqueueError | client.ReadError | RedisError | EmbeddedServerError):
        return UNREACHABLE
    if isinstance(error, client.FeishuBatchError | ConfigError | OSError):
        return WRONG_USE
    return None


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="feishu-batch-worker", prog_name="feishu-batch")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Change fields of Feishu Project work items in bulk, at the speed that Feishu Project allows.

    New here? `feishu-batch demo` shows everything in a minute and needs no account.

    Exit codes of every command:
      0    done
      1    some items failed, or were not done in the time that was given
      2    wrong use or input; nothing was changed
      3    something that is needed cannot be reached; the message says what
      130  interrupted with Ctrl-C; what was enqueued goes on
    """
    if ctx.invoked_subcommand not in _WITHOUT_SETTINGS:
        _warn_of_strangers()


def _warn_of_strangers() -> None:
    from config.platform import of_platform  # noqa: PLC0415 - as in _exit_code_of
    from config.settings import process_environment, unknown_variables  # noqa: PLC0415 - as in _exit_code_of

    with suppress(OSError, ValueError):  # of a file .env that cannot be read; the command says so itself
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
