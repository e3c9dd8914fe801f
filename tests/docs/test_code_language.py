"""The source files speak plain English: texts for users, comments, docstrings and names."""

import re
from collections import Counter
from pathlib import Path

import pytest

from tests.docs.idioms import idioms_of_code
from tests.docs.pages import ROOT

FOLDERS = ("client", "config", "worker", "tasks", "sandbox", "deploy", "bench", "examples")
FILES = ("Makefile", "Dockerfile", "docker-compose.yml", ".env.example")
TEXTS = {".py", ".lua", ".js", ".html", ".css", ".toml", ".yml", ".yaml", ".json", ".service", ".target", ".cjs"}
# A placeholder that people write for no person; the name of a metric.
THEIRS = {
    "worker/writing/people.py": {"nobody"},
    "worker/metrics/definitions.py": {"standstill"},
    "deploy/prometheus/alerts.yml": {"standstill"},
}


def sources() -> list[Path]:
    found = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*")) if path.suffix in TEXTS]
    written = [
        path for path in found if "results" not in path.parts and not any(one[0] == "." for one in path.parts[-3:])
    ]
    return [*written, *(ROOT / name for name in FILES)]


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_source_file_has_no_translated_idiom(path):
    name = str(path.relative_to(ROOT))
    every = idioms_of_code(path.read_text(encoding="utf-8"))
    found = [one for one in every if one.words not in THEIRS.get(name, ())]
    assert not found, "\n".join(f"{path}:{one.line}: {one.words!r}; write: {one.instead}" for one in found)


def test_names_are_read_as_words():
    assert [one.words for one in idioms_of_code("what_is_left_alone = wishes")] == ["left_alone", "wishes"]


def test_no_two_classes_share_a_name():
    """A name in a traceback, a log or a review says which class it is."""
    folders = (ROOT / folder for folder in ("client", "config", "worker", "tasks", "sandbox"))
    sources = [path for folder in folders for path in folder.rglob("*.py")]
    names = [name for path in sources for name in re.findall(r"^class (\w+)", path.read_text(), re.MULTILINE)]
    assert [name for name, count in Counter(names).items() if count > 1] == []
