"""Options that several commands share."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

AS_JSON = "as_json"  # in the context's object


def wants_json(ctx: click.Context, _param: click.Parameter, value: bool) -> bool:
    """Callback of a --json option: from here on an error is printed as JSON, too."""
    if value and ctx.obj is not None:
        ctx.obj[AS_JSON] = True
    return value


json_option: Callable[[F], F] = click.option(
    "--json", "as_json", is_flag=True, is_eager=True, callback=wants_json, help="Print one JSON document instead."
)
lane_option: Callable[[F], F] = click.option(
    "--lane", metavar="NAME", help="Only this lane (credential). Default: all lanes of the settings."
)


def waiting_options(command: F) -> F:
    """`wait` and `timeout` (seconds or None) of a command that enqueues."""
    wait = click.option(
        "--wait",
        is_flag=True,
        help="Show the progress until all work has ended. Ctrl-C stops the waiting, not the work.",
    )
    timeout = click.option(
        "--timeout",
        type=click.FloatRange(min=0, min_open=True),
        metavar="SECONDS",
        help="With --wait: stop waiting after this time, with exit code 1; the work continues.",
    )
    return wait(timeout(command))
