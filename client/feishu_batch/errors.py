"""Every error that this library raises.

FeishuBatchError
├── ConfigurationError    the URL of Redis, or another argument, is missing or wrong
├── IntentError           the intent is not valid; nothing was written
├── IntentConflict        the intent id is already used for other content
├── EnqueueError          Redis did not confirm the intents; `outcome_unknown`: it may have recorded them
├── ReadError             Redis did not answer the question about an intent
├── LedgerFormatError     the ledger in Redis has the format of an older or a newer version; nothing was written
├── UnknownIntent         no intent has this id, or its record has expired
├── UnknownChangeSet      no change set has this id, or all its intents have expired
├── WaitTimeout           the intent has not ended yet (also a `TimeoutError`)
└── ItemsFailed           some work items were not changed; the error of the Celery task

No message contains a URL: a Redis URL carries the password.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Self

_NAMED_ITEMS = 5
_REASON_LENGTH = 200


class FeishuBatchError(Exception):
    """The base class of all errors below."""


class ConfigurationError(FeishuBatchError, ValueError):
    """The message says which setting to give, and how."""


class IntentError(FeishuBatchError, ValueError):
    """One line per problem: ``work_item_ids.3: must be more than 0``."""


class IntentConflict(FeishuBatchError):  # noqa: N818 - part of the public contract
    """Use a new id for a new intent. The same id is only for repeating the same intent."""


class EnqueueError(FeishuBatchError):
    """`written`: how many intents of the call are recorded in the inbox; `intent_ids`: the ids of all of them.

    Enqueueing the same contents with the same ids again is always safe.
    """

    def __init__(
        self, message: str, outcome_unknown: bool = False, written: int = 0, intent_ids: Sequence[str] = ()
    ) -> None:
        super().__init__(message, outcome_unknown, written, list(intent_ids))
        self.outcome_unknown = outcome_unknown
        self.written = written
        self.intent_ids = tuple(intent_ids)

    def __str__(self) -> str:
        return str(self.args[0])


class ReadError(FeishuBatchError):
    """The intent is not affected; read it again later."""


class LedgerFormatError(FeishuBatchError):
    """The message says which format is there, which one this version needs, and what to do."""


class UnknownIntent(FeishuBatchError, LookupError):  # noqa: N818 - part of the public contract
    """The message names the id."""


class UnknownChangeSet(FeishuBatchError, LookupError):  # noqa: N818 - part of the public contract
    """Its message names the id."""


class WaitTimeout(FeishuBatchError, TimeoutError):  # noqa: N818 - part of the public contract
    """The intent continues; `Handle.wait` may be called again."""


class ItemsFailed(FeishuBatchError):  # noqa: N818 - part of the public contract
    """`result` is the whole result as JSON. Survives Celery's serialisation, which rebuilds ``cls(*args)``."""

    def __init__(self, message: str, result: Mapping[str, Any] | None = None) -> None:
        self.result: dict[str, Any] = dict(result or {})
        super().__init__(message, self.result)

    def __str__(self) -> str:
        return str(self.args[0])

    @classmethod
    def of(cls, result: Mapping[str, Any]) -> Self:
        """From a result's JSON shape (`Result.to_dict()`)."""
        return cls(_describe_failures(result), result)


def _describe_failures(result: Mapping[str, Any]) -> str:
    failed: Mapping[str, Mapping[str, Any]] = result.get("failed") or {}
    total = sum((result.get("counts") or {}).values())
    named = [_describe_item(item, why) for item, why in list(failed.items())[:_NAMED_ITEMS]]
    if len(failed) > _NAMED_ITEMS:
        named.append(f"… and {len(failed) - _NAMED_ITEMS} more")
    heading = f"{len(failed)} of {total} work items were not changed" if failed else f"intent {result.get('state')}"
    return f"{heading}: {'; '.join(named)}" if named else heading


def _describe_item(item: str, why: Mapping[str, Any]) -> str:
    """With the code, unless the reason already contains it."""
    code, reason = str(why.get("code") or ""), str(why.get("reason") or "")
    named = re.search(rf"(?<!\w){re.escape(code)}(?!\w)", reason)
    return f"{item} ({': '.join(part for part in ('' if named else code, reason[:_REASON_LENGTH]) if part)})"
