"""Options that several commands have."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

json_option: Callable[[F], F] = click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead.")
lane_option: Callable[[F], F] = click.option(
    "--lane", metavar="NAME", help="Only this lane (credential). Default: all lanes of the settings."
)
