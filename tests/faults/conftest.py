"""One stack for the tests that leave it as they found it; its logs are shown when a test fails."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
for folder in (HERE, HERE.parent / "e2e"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

from fault_stack import FaultStack  # noqa: E402 - found by the path above
from stack import Stack  # noqa: E402


@pytest.fixture(scope="session")
def shared_fault_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultStack]:
    with FaultStack(tmp_path_factory.mktemp("faults"), max_attempts=1, catalogue="off") as stack:
        yield stack


@pytest.fixture
def stack(shared_fault_stack: FaultStack) -> Iterator[FaultStack]:
    """Idle, with a fresh world."""
    stack = shared_fault_stack
    yield stack
    stack.sandbox.clear_faults()
    stack.lane.resume()
    stack.supervise_until(stack.is_idle, 20, f"nothing is left to do; {stack.lane.counts()}")
    stack.redis.delete(
        stack.lane.key("suspects"), stack.lane.key("accepted"), *stack.redis.keys(f"{stack.lane.prefix}refused:*")
    )
    stack.sandbox.reset()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    if report.failed:
        stacks = [value for value in getattr(item, "funcargs", {}).values() if isinstance(value, Stack)]
        for stack in dict.fromkeys(stacks):
            report.sections += [(f"end of {name}", text) for name, text in stack.logs()]
    return report
