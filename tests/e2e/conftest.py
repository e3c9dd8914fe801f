"""One stack for all tests that leave it as they found it; its logs are shown when a test fails."""

from collections.abc import Iterator

import pytest
from stack import Stack


@pytest.fixture(scope="session")
def shared_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("stack")) as stack:
        yield stack


@pytest.fixture
def stack(shared_stack: Stack) -> Iterator[Stack]:
    """Idle, with a fresh world."""
    yield shared_stack
    shared_stack.sandbox.clear_faults()
    shared_stack.revive()
    shared_stack.lane.resume()
    shared_stack.wait_until_idle()
    shared_stack.sandbox.reset()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    if report.failed:
        stacks = [value for value in getattr(item, "funcargs", {}).values() if isinstance(value, Stack)]
        for stack in dict.fromkeys(stacks):
            report.sections += [(f"end of {name}", text) for name, text in stack.logs()]
    return report
