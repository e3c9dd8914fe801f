"""Change fields of Feishu Project work items in bulk, with a result for each item."""

from feishu_batch.change_set import ChangeSet, ChangeSetResult, FailedChange
from feishu_batch.client import FeishuBatch
from feishu_batch.errors import (
    ConfigurationError,
    EnqueueError,
    FeishuBatchError,
    IntentConflict,
    IntentError,
    ItemsFailed,
    LedgerFormatError,
    ReadError,
    UnknownChangeSet,
    UnknownIntent,
    WaitTimeout,
)
from feishu_batch.handle import Handle
from feishu_batch.intents import UpdateIntent, UpdateMode, group_spec, parse_intent
from feishu_batch.item_history import PastChange
from feishu_batch.producer import Producer
from feishu_batch.results import IntentState, IntentView, Progress, Result, read_intent
from feishu_batch.signatures import signature

__version__ = "0.1.0"

__all__ = [
    "ChangeSet",
    "ChangeSetResult",
    "ConfigurationError",
    "EnqueueError",
    "FailedChange",
    "FeishuBatch",
    "FeishuBatchError",
    "Handle",
    "IntentConflict",
    "IntentError",
    "IntentState",
    "IntentView",
    "ItemsFailed",
    "LedgerFormatError",
    "PastChange",
    "Producer",
    "Progress",
    "ReadError",
    "Result",
    "UnknownChangeSet",
    "UnknownIntent",
    "UpdateIntent",
    "UpdateMode",
    "WaitTimeout",
    "__version__",
    "group_spec",
    "parse_intent",
    "read_intent",
    "signature",
]
