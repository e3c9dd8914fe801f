"""Options that several commands have."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

json_option: Callable[[F], F] = click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead.")
lane_option: Callable[[F], F] = click.option(
    "--lane", metavar="NAME", help="Only this lane (credential). Default: all lanes of the settings."
)


def waiting_options(command: F) -> F:
    """`wait` and `timeout` (seconds or None) of a command that enqueues."""
    wait = click.option(
        "--wait", is_flag=True, help="Show the progress until all has ended. Ctrl-C leaves the work going."
    )
    timeout = click.option(
        "--timeout",
        type=click.FloatRange(min=0, min_open=True),
        metavar="SECONDS",
        help="With --wait: how long at most; then it ends with 1, and the work goes on.",
    )
    return wait(timeout(command))
