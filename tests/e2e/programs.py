"""Programs beyond Python that a test wants."""

import os
import shutil
from pathlib import Path

import pytest


def require(*programs: str) -> None:
    """They come from .ci/packages.txt. Without them the test is skipped, and fails where the packages had to be installed."""
    missing = [name for name in programs if not (shutil.which(name) or Path(name).exists())]
    if missing and os.environ.get("CI") == "true":
        pytest.fail(f"{', '.join(missing)} not installed, though .ci/packages.txt names the package")
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed (apt-get install $(grep -v '^#' .ci/packages.txt))")
