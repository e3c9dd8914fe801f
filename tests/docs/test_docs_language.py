"""The documents are written in plain English, in lines that fit on a screen."""

import pytest

from tests.docs.idioms import idioms_of, idioms_of_page
from tests.docs.pages import PAGES, ROOT

PROSE = [page for page in [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md"] if page.name != "README.zh-CN.md"]
# Pages that are still being rewritten.
PENDING = {page.name for page in PROSE} - {"CONTRIBUTING.md", "SECURITY.md", "json.md"}


@pytest.mark.parametrize("page", [page for page in PROSE if page.name not in PENDING], ids=lambda page: page.name)
def test_a_page_holds_no_translated_idiom(page):
    found = idioms_of_page(page.read_text(encoding="utf-8"))
    assert [f"{page.name}:{one.line}: {one.words!r}; write {one.instead}" for one in found] == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Whoever enqueues is told.", ["Whoever", "is told"]),
        ("An intent is taken in.", ["taken in"]),
        ("A worker takes it in.", ["takes it in"]),
        ("This holds everything up.", ["holds everything up"]),
        ("It takes part in a second; we recommend it.", []),
    ],
)
def test_idioms_are_found(text, words):
    assert [one.words for one in idioms_of(text)] == words


def test_code_in_a_page_is_no_prose():
    assert idioms_of_page("The key `mended` of\n\n```json\nwishes\n```\n\n[a](x#doors)") == []
    assert [one.line for one in idioms_of_page("```\nwhoever\n```\n\nwhoever")] == [5]
