"""The README's examples run, and it names every error and every key."""

import re
from pathlib import Path

import pytest

import feishu_batch
from feishu_batch import FeishuBatch, FeishuBatchError, UpdateIntent, errors
from feishu_batch.testing import FakeFeishuBatch

README = (Path(__file__).parents[2] / "client" / "README.md").read_text()


class QuickFeishuBatch(FakeFeishuBatch):
    """Every intent ends at once."""

    def _put(self, intents):
        known = super()._put(intents)
        for intent in intents:
            self.complete(intent.intent_id)
        return known


@pytest.mark.parametrize("example", re.findall(r"```python\n(.*?)```", README, re.DOTALL))
def test_an_example_runs(example, monkeypatch):
    monkeypatch.setattr(FeishuBatch, "from_env", QuickFeishuBatch)
    exec(compile(example, "README.md", "exec"), {})


def test_every_error_and_every_key_is_explained():
    named = set(re.findall(r"`(\w+)`", README))
    kinds = {
        name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, FeishuBatchError)
    }
    assert kinds <= named
    assert set(UpdateIntent.model_fields) <= named


def test_what_is_exported_exists():
    assert [name for name in feishu_batch.__all__ if not hasattr(feishu_batch, name)] == []
