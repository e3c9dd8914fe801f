"""The logs of what was started are shown when a test fails."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

for folder in (Path(__file__).parent, Path(__file__).parents[1] / "e2e"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

from compose_file import Containers  # noqa: E402 - found by the path above
from stack import Stack  # noqa: E402


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    if report.failed:
        started = [one for one in getattr(item, "funcargs", {}).values() if isinstance(one, Stack | Containers)]
        for one in dict.fromkeys(started):
            report.sections += [(f"end of {name}", text) for name, text in one.logs()]
    return report
