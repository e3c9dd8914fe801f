"""The helpers of the end-to-end tests; one stack for the crash matrix."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [path for path in (str(HERE), str(HERE.parent / "e2e")) if path not in sys.path]

from chaos_stack import ChaosStack  # noqa: E402 - it needs the path


@pytest.fixture(scope="session")
def chaos_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChaosStack]:
    with ChaosStack(tmp_path_factory.mktemp("chaos"), sandbox={"job_median": 0.1, "seed": 1}) as stack:
        yield stack
