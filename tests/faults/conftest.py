"""One stack for the tests that leave it as they found it; its logs are shown when a test fails."""

from collections.abc import Iterator

import pytest

from tests.support.fault_stack import FaultStack


@pytest.fixture(scope="session")
def shared_fault_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultStack]:
    with FaultStack(tmp_path_factory.mktemp("faults"), max_attempts=1, catalogue="off") as stack:
        yield stack


@pytest.fixture
def stack(shared_fault_stack: FaultStack) -> Iterator[FaultStack]:
    with shared_fault_stack.lent() as stack:
        yield stack
