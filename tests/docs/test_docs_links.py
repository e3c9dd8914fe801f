"""Links lead somewhere, and no file tells where it was written."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT

LINK = re.compile(r"\]\(([^)\s]+)\)")
# With a mark in each, so that this file does not contain what it looks for.
_MARKED = "/wo~rk/ /ho~me/ /Us~ers/ ../sha~red pyp~i.org pythonhos~ted.org index-~url"
TELLTALES = _MARKED.replace("~", "").split()


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(
    "page",
    [*PAGES, ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", ROOT / "bench/results/chaos.md"],
    ids=lambda page: page.name,
)
def test_links_resolve(page):
    broken = []
    for target in LINK.findall(page.read_text()):
        path, _, anchor = target.partition("#")
        if "://" in path:
            continue
        goal = (page.parent / path).resolve() if path else page
        if not goal.exists() or (anchor and anchor not in anchors(goal)):
            broken.append(target)
    assert not broken


def test_the_index_leads_to_every_page():
    pages = {page.name for page in (ROOT / "docs").glob("*.*") if page.suffix in (".md", ".json")} - {"README.md"}
    assert pages - set(LINK.findall((ROOT / "docs/README.md").read_text())) == set()


def test_every_picture_is_shown_on_a_page():
    shown = {
        Path(target).name for page in PAGES for target in LINK.findall(page.read_text()) if target.endswith(".png")
    }
    assert {path.name for path in (ROOT / "docs/images").iterdir()} - shown == set()


def test_no_tracked_file_names_a_registry_or_a_developers_directory():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    found = []
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if path.is_file():
            content = path.read_text(encoding="utf-8", errors="replace")
            found += [(name, telltale) for telltale in TELLTALES if telltale in content]
    assert not found
