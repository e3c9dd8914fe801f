"""Which program enqueues, unless it says so itself."""

import socket
import sys
from pathlib import Path

from feishu_batch.intents import LONGEST_PRODUCER

_NO_NAME = "python"  # of an interactive one, or of `python -c`


def default_producer() -> str:
    """``<program>@<host>``."""
    return f"{program_name(sys.argv[0] if sys.argv else '')}@{socket.gethostname()}"[:LONGEST_PRODUCER]


def program_name(argv0: str) -> str:
    """`python -m package` runs `…/package/__main__.py`."""
    path = Path(argv0)
    name = path.parent.name if path.name == "__main__.py" else path.name
    return "".join(filter(str.isprintable, name)) if name.strip("-c") else _NO_NAME
