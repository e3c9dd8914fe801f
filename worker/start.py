"""The entry point of `feishu-batch`: `health` is answered at once, all other commands load the command line."""

import sys

from worker.processes.probe import ROLES, unhealthy


def main() -> None:
    roles = tuple(sys.argv[2:])
    if sys.argv[1:2] == ["health"] and set(roles) <= set(ROLES):
        found = unhealthy(roles or ROLES)
        for line in found:
            print(line)  # noqa: T201 - click costs more than all of this
        sys.exit(1 if found else 0)
    from worker.cli.main import main as command_line  # noqa: PLC0415 - it takes a second to load

    command_line()
