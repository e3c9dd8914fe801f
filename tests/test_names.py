"""Test modules share one namespace: two of one name would hide each other, depending on what runs first."""

from collections import Counter
from pathlib import Path


def test_no_two_test_modules_have_the_same_name():
    names = Counter(path.name for path in Path(__file__).parent.rglob("*.py") if path.name != "conftest.py")
    assert [name for name, count in names.items() if count > 1] == []
