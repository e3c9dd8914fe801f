"""The documents, taken apart."""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent  # where the command is
README = ROOT / "README.md"
README_ZH = ROOT / "README.zh-CN.md"
PAGES = [README, README_ZH, ROOT / "CHANGELOG.md", ROOT / "client/README.md", *sorted((ROOT / "docs").glob("*.md"))]


def text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text(page), re.DOTALL)


def block_with(page: str, language: str, mark: str) -> str:
    [found] = [block for block in blocks(page, language) if mark in block]
    return found


def code_of(page: Path) -> list[str]:
    """Every code span and every line of every block, without the comments of shell lines."""
    whole = re.sub(r" \\\n +", " ", page.read_text(encoding="utf-8"))  # a command on several lines
    lines = [line for block in re.findall(r"```.*?\n(.*?)```", whole, re.DOTALL) for line in block.splitlines()]
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", whole, flags=re.DOTALL))
    return [line.partition("  #")[0].strip() for line in lines] + spans


def commands_of(page: str) -> list[str]:
    """The lines of its shell blocks, without comments. A line that ends with a backslash goes on."""
    lines = [line for block in blocks(page, "sh") for line in re.sub(r" \\\n +", " ", block).splitlines()]
    return [command for line in lines if (command := line.partition("  #")[0].strip())]
