"""The helpers of the end-to-end tests; one stack for the crash matrix."""

from collections.abc import Iterator

import pytest

from tests.support.chaos_stack import ChaosStack


@pytest.fixture(scope="session")
def shared_chaos_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChaosStack]:
    with ChaosStack(tmp_path_factory.mktemp("chaos"), sandbox={"job_median": 0.1, "seed": 1}) as stack:
        yield stack


@pytest.fixture
def chaos_stack(shared_chaos_stack: ChaosStack) -> Iterator[ChaosStack]:
    with shared_chaos_stack.lent() as stack:
        yield stack


@pytest.fixture(scope="session")
def shared_stack_with_singles(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChaosStack]:
    """Its single route is on."""
    directory = tmp_path_factory.mktemp("chaos-singles")
    with ChaosStack(directory, sandbox={"job_median": 0.1, "seed": 1}, single_updates_per_second=10) as stack:
        yield stack


@pytest.fixture
def stack_with_singles(shared_stack_with_singles: ChaosStack) -> Iterator[ChaosStack]:
    with shared_stack_with_singles.lent() as stack:
        yield stack
