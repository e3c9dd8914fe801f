"""The example file, with its entries in force."""

import re
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "config/schedule.toml"
_LINE = re.compile(r"^# (?=\[|[a-z_]+ = )")


def uncommented() -> str:
    return "\n".join(_LINE.sub("", line) for line in EXAMPLE.read_text().splitlines())
