"""The fake as a pytest fixture."""

from collections.abc import Iterator

import pytest

from feishu_batch.client import FeishuBatch
from feishu_batch.testing import FakeFeishuBatch


@pytest.fixture
def fake_feishu_batch(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeFeishuBatch]:
    """A new `FakeFeishuBatch`; `FeishuBatch.from_env()` returns it while the test runs."""
    with FakeFeishuBatch() as fake:
        monkeypatch.setattr(FeishuBatch, "from_env", lambda *_args, **_options: fake)
        yield fake
