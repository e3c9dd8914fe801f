"""The two READMEs say the same: what has no language is equal in both."""

import re

import pytest

from tests.docs.pages import README, README_ZH

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
SPAN = re.compile(r"`([^`\n]+)`")
PICTURES = (
    "docs/images/dashboard-working.png",
    "docs/images/dashboard-chinese.png",
)  # of the page, in the README's language
ENGLISH, CHINESE = README.read_text(encoding="utf-8"), README_ZH.read_text(encoding="utf-8")


def prose(page: str) -> str:
    return FENCE.sub("", page)


def headings(page: str) -> list[int]:
    return [len(marks) for marks in re.findall(r"^(#+) ", prose(page), re.MULTILINE)]


def without_comments(code: str) -> list[str]:
    lines = [re.sub(r"(^|\s{2,})# .*", "", line).rstrip() for line in code.splitlines()]
    return [line for line in lines if line]


def code(page: str) -> list[tuple[str, list[str]]]:
    return [(language, without_comments(block)) for language, block in FENCE.findall(page)]


def links(page: str) -> list[str]:
    return [target for target in LINK.findall(page) if not target.startswith("README") and target not in PICTURES]


def list_items(page: str) -> list[str]:
    return re.findall(r"^(-|\d+\.) ", prose(page), re.MULTILINE)


def section_spans(page: str) -> list[list[str]]:
    """The code spans of each section, in no order: languages differ in theirs."""
    return [sorted(SPAN.findall(section)) for section in re.split(r"^#+ .*$", prose(page), flags=re.MULTILINE)]


@pytest.mark.parametrize("part", [headings, code, links, list_items, section_spans], ids=lambda f: f.__name__)
def test_both_readmes_have_the_same(part):
    assert part(ENGLISH)
    assert part(CHINESE) == part(ENGLISH)


def test_they_are_of_one_length():
    assert len(CHINESE.splitlines()) == len(ENGLISH.splitlines())


def test_each_links_to_the_other_at_its_top():
    assert f"]({README_ZH.name})" in ENGLISH.partition("\n## ")[0]
    assert f"]({README.name})" in CHINESE.partition("\n## ")[0]


def test_the_code_is_found():
    assert [language for language, _ in code(ENGLISH)].count("sh") >= 3


def test_both_begin_with_what_it_is_and_a_picture_of_the_page():
    for page, picture in zip((ENGLISH, CHINESE), PICTURES, strict=True):
        assert f"]({picture})" in page.partition("\n## ")[0]
