"""One real server, sandbox and set of workers for every example of the documents."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import BIN
from tests.support.stack import SLOT, Stack
from worker.decisions.polling import ENOUGH, size_class


@pytest.fixture(scope="package")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("docs")) as stack:
        stack.learn_names()
        for items in (1, 2, 4, 8):  # as after some hours of work: the first question for a job need not be a guess
            for _ in range(ENOUGH):
                stack.lane.note_duration(size_class(items), SLOT)
        yield stack


@pytest.fixture
def stack(running: Stack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Stack:
    """The environment of a producer and of the command, in an empty directory."""
    for name in [name for name in os.environ if name.startswith(("FEISHU_BATCH_", "CELERY_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("FEISHU_BATCH_REDIS_URL", running.server.url)
    monkeypatch.setenv("FEISHU_BATCH_KEY_PREFIX", running.settings.key_prefix)
    monkeypatch.setenv("PATH", f"{BIN}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    return running
