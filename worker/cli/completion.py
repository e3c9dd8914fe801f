"""`feishu-batch completion`: the script with which a shell completes our commands and options."""

import click
from click.shell_completion import get_completion_class

from worker.cli.errors import DONE
from worker.operating.errors import WrongUseError

SHELLS = ("bash", "zsh", "fish")


@click.command("completion", short_help="Print a shell's completion script.")
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> int:
    """Print the script that lets SHELL complete commands and options.

    Example:
      eval "$(feishu-batch completion bash)"

    For fish: feishu-batch completion fish > ~/.config/fish/completions/feishu-batch.fish

    Exit codes: 0 printed; 2 no such shell.
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise WrongUseError(f"no completion for {shell}")
    click.echo(kind(ctx.find_root().command, {}, "feishu-batch", "_FEISHU_BATCH_COMPLETE").source())
    return DONE
