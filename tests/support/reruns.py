"""Tests that are run again because they failed: without what they left, and with the reason in the output of the run."""

from collections.abc import Iterator

import pytest

from tests.support.stack import Stack

LINES = 25  # of one failure: the last ones
MOST = 20  # failures
_USED = pytest.StashKey[list[Stack]]()


def note_stacks(item: pytest.Item) -> None:
    """Call when it fails, as long as its fixtures live."""
    used = [one for one in getattr(item, "funcargs", {}).values() if isinstance(one, Stack)]
    item.stash[_USED] = [*item.stash.get(_USED, []), *used]


def renew_stacks(item: pytest.Item) -> None:
    """Call before it is run: what it failed with is shared with other tests, and would be there again."""
    for stack in dict.fromkeys(item.stash.get(_USED, [])):
        if stack.is_open:
            stack.start_over()
    item.stash[_USED] = []


def told(reports: list[pytest.TestReport]) -> Iterator[str]:
    """Lines for the end of the run's output."""
    yield f"Tests of real processes that were run again: {len(reports)}"
    for report in reports[:MOST]:
        yield f"--- {report.nodeid} ({report.when})"
        yield from report.longreprtext.splitlines()[-LINES:]
    if len(reports) > MOST:
        yield f"--- and {len(reports) - MOST} more"
