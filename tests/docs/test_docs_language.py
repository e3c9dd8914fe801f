"""The documents are written in plain English, in lines that fit on a screen."""

import re

import pytest

from tests.docs.idioms import idioms_of, idioms_of_page
from tests.docs.pages import PAGES, README_ZH, ROOT, code_of

PROSE = [page for page in [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md"] if page.name != "README.zh-CN.md"]
ALL = [*PROSE, README_ZH]
WIDEST = 160  # characters
IN_ONE_PIECE = re.compile(r' *"body": "|user feishu-')  # a JSON text, and a line of redis.conf
MADE = {"bench/results/quick"}  # paths of files that a command makes


@pytest.mark.parametrize("page", PROSE, ids=lambda page: page.name)
def test_a_page_holds_no_translated_idiom(page):
    found = idioms_of_page(page.read_text(encoding="utf-8"))
    assert [f"{page.name}:{one.line}: {one.words!r}; write {one.instead}" for one in found] == []


@pytest.mark.parametrize("page", ALL, ids=lambda page: page.name)
def test_a_line_fits_on_a_screen(page):
    lines = enumerate(page.read_text(encoding="utf-8").splitlines(), start=1)
    assert [(number, len(line)) for number, line in lines if len(line) > WIDEST and not IN_ONE_PIECE.match(line)] == []


PATH = re.compile(r"(?:worker|config|client|tasks|sandbox|tests|bench|docs|deploy|examples)/[\w./-]*\w")


@pytest.mark.parametrize("page", ALL, ids=lambda page: page.name)
def test_every_path_that_a_page_names_exists(page):
    named = {path for code in code_of(page) for path in PATH.findall(code) if code.startswith(path)}
    missing = [
        path for path in named if not any((base / path).exists() for base in (ROOT, page.parent, ROOT / "client"))
    ]
    assert [path for path in missing if path not in MADE] == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Whoever enqueues is told.", ["Whoever", "told"]),
        ("An intent is taken in.", ["taken in"]),
        ("A worker takes it in.", ["takes it in"]),
        ("This holds everything up.", ["holds everything up"]),
        ("It takes part in a second; we recommend it.", []),
    ],
)
def test_idioms_are_found(text, words):
    assert [one.words for one in idioms_of(text)] == words


def test_an_idiom_is_found_across_the_end_of_a_line():
    assert [one.line for one in idioms_of("This holds it\nup.")] == [1]


def test_code_in_a_page_is_no_prose():
    assert idioms_of_page("The key `mended` of\n\n```json\nwishes\n```\n\n[a](x#doors)") == []
    assert [one.line for one in idioms_of_page("```\nwhoever\n```\n\nwhoever")] == [5]
