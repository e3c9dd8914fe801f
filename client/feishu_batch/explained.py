"""What the codes and errors of this library mean and what to do about them: one place for messages, the status page and docs/errors.md.

`FAILURES` has the codes of ours in `Result.failed`. A code that is not in it comes from the remote system, or from the checks
of names and values before a request is sent; the workers explain these.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from feishu_batch import errors
from feishu_batch.results import IntentState


class Explanation(NamedTuple):
    """`meaning`: what happened. `advice`: what to do about it. A sentence or two each."""

    meaning: str
    advice: str


class FailureCode(StrEnum):
    """Why an item failed, where neither the remote system nor a check of names and values says so."""

    NO_LANE = "no_lane"
    REMOTE_REFUSED = "remote_refused"
    NOT_STORED = "not_stored"
    CHANGED_MEANWHILE = "changed_meanwhile"
    CONDITION_UNKNOWN = "condition_unknown"
    REPLACEMENT_FAILED = "replacement_failed"  # set by a step of the ledger
    OUTCOME_UNKNOWN = "outcome_unknown"
    NOT_UNDERSTOOD = "not_understood"
    CRASHED = "crashed"
    REFUSED = "refused"


FAILURES: Final[Mapping[FailureCode, Explanation]] = MappingProxyType(
    {
        FailureCode.NO_LANE: Explanation(
            "The intent names a lane that does not exist, or a lane that may not write to its space.",
            "Leave `lane` out, or name a lane of the lanes file that owns the space. Then enqueue it under a new id: `retry` cannot.",
        ),
        FailureCode.REMOTE_REFUSED: Explanation(
            "The job refused the item without a reason, or named several reasons without saying which one belongs to the item.",
            "Open the item in Feishu Project and try the change by hand as the same user. Fix the cause, then `feishu-batch retry`.",
        ),
        FailureCode.NOT_STORED: Explanation(
            "The job reported success, but a read-back does not show the value. Only with FEISHU_BATCH_VERIFY=all or sample.",
            "Check that the value has the form that the field's type needs, and that the lane's user can see the field.",
        ),
        FailureCode.CHANGED_MEANWHILE: Explanation(
            "Skipped: changed since. The cell did not hold `expected_field_value` just before the request, so it was not written.",
            "Nothing: the newer value stays. If you still want the change, enqueue it again with what the cell holds now; `retry` skips it.",
        ),
        FailureCode.CONDITION_UNKNOWN: Explanation(
            "`expected_field_value` could not be checked, so the cell was not written. The reason says why.",
            "If the reason is passing trouble, `feishu-batch retry`. Fields whose values cannot be compared take no condition.",
        ),
        FailureCode.REPLACEMENT_FAILED: Explanation(
            "A later change of the same field replaced this one before it was sent, and the later one failed.",
            "Fix the later change, whose reason is in this one's. Enqueue the value that you want now.",
        ),
        FailureCode.OUTCOME_UNKNOWN: Explanation(
            "The change was sent as often as FEISHU_BATCH_MAX_ATTEMPTS allows, and no read-back showed its value. It may be applied: "
            "rich text, for one, cannot be compared.",
            "Look at the item in Feishu Project. If the value is missing, `feishu-batch retry`.",
        ),
        FailureCode.NOT_UNDERSTOOD: Explanation(
            "The workers cannot read the intent, because the library that wrote it has another version.",
            "Upgrade the workers before the library. Then enqueue it under a new id: `retry` cannot, since its value is not kept.",
        ),
        FailureCode.CRASHED: Explanation(
            "The intake worker failed three times to record the intent. This is a fault of the product.",
            "Look for the event `inbox.entry_given_up` and a traceback in the intake worker's log, report it, then `feishu-batch retry`.",
        ),
        FailureCode.REFUSED: Explanation(
            "The remote system refused the request and gave no code.",
            "The reason holds its words. Fix the cause, then `feishu-batch retry`.",
        ),
    }
)

STATES: Final[Mapping[IntentState, Explanation]] = MappingProxyType(
    {
        IntentState.QUEUED: Explanation(
            "In the inbox: no lane has recorded it.", "Wait; the intake worker records it within seconds."
        ),
        IntentState.OPEN: Explanation(
            "Recorded; at least one item has no result.", "Wait, or look at `feishu-batch show INTENT`."
        ),
        IntentState.SUCCEEDED: Explanation(
            "Every item holds its value, or a later change of the same field was written in its place.", "Nothing."
        ),
        IntentState.PARTIAL: Explanation("Some items succeeded, others did not.", "Look at the codes in `failed`."),
        IntentState.FAILED: Explanation(
            "No item succeeded, and at least one failed.", "Look at the codes in `failed`."
        ),
        IntentState.CANCELED: Explanation(
            "All of it was canceled before it was sent.", "Enqueue it again if you still want it."
        ),
        IntentState.EXPIRED: Explanation(
            "`expires_at` passed before it was sent.", "Enqueue it again with a later `expires_at`."
        ),
    }
)

# Where an item is: the names of the counts in `Handle.progress` and `Result.counts`.
ITEMS: Final[Mapping[str, Explanation]] = MappingProxyType(
    {
        "pending": Explanation(
            "No request has the change yet.", "Wait; `feishu-batch status` says why nothing is sent."
        ),
        "in_flight": Explanation("A request or a job has it, or the workers read it back.", "Wait."),
        "succeeded": Explanation("Feishu Project reported success, or a read-back shows the value.", "Nothing."),
        "unchanged": Explanation(
            "The cell was read, and held the value already: no request was needed (`skip_unchanged`).", "Nothing."
        ),
        "failed": Explanation("The item was not changed, or nothing proves that it was.", "Look at its code."),
        "superseded": Explanation(
            "A later change of the same field was written in its place.",
            "Nothing. To send every change: `keep_every_change`.",
        ),
        "canceled": Explanation("It was canceled before it was sent.", "Enqueue it again if you still want it."),
        "expired": Explanation(
            "`expires_at` passed before it was sent.", "Enqueue it again with a later `expires_at`."
        ),
    }
)

ERRORS: Final[Mapping[type[errors.FeishuBatchError], Explanation]] = MappingProxyType(
    {
        errors.ConfigurationError: Explanation(
            "A setting is missing or cannot be used. Nothing was sent.",
            "The message names the setting and what to give it.",
        ),
        errors.IntentError: Explanation(
            "The intent is not well-formed. Nothing was written.", "Correct it: the message has one line per problem."
        ),
        errors.IntentConflict: Explanation(
            "The intent id belongs to an intent with another content.",
            "Use a new id for a new change, the same id only to repeat the same change.",
        ),
        errors.EnqueueError: Explanation(
            "Redis did not accept the intents within about two seconds. `outcome_unknown` says whether they may be written.",
            "Enqueue again with the same ids (`error.intent_ids`), which is always safe. The message names the trouble with Redis.",
        ),
        errors.ReadError: Explanation(
            "Redis could not be asked for the state of an intent. The intent is not affected.", "Ask again later."
        ),
        errors.LedgerFormatError: Explanation(
            "The ledger in this Redis was written by an older or a newer version. Nothing was changed.",
            "The message says which format is there, which one this version needs, and what to do.",
        ),
        errors.UnknownIntent: Explanation(
            "No intent has this id, or it ended so long ago that it was forgotten.",
            "Check the id, FEISHU_BATCH_REDIS_URL and FEISHU_BATCH_KEY_PREFIX. After the retention time the id is free again.",
        ),
        errors.UnknownChangeSet: Explanation(
            "No intent names this change set, or all that did are forgotten.",
            "Check the id: `feishu-batch sets` lists those that are known. Check FEISHU_BATCH_REDIS_URL and FEISHU_BATCH_KEY_PREFIX, too.",
        ),
        errors.WaitTimeout: Explanation(
            "The intent has not ended within the timeout. It continues.", "Wait again, or look at `handle.progress`."
        ),
        errors.ItemsFailed: Explanation(
            "Some work items were not changed. Only the Celery task raises it, with the result in `.result`.",
            "Look at the codes in `.result['failed']`.",
        ),
    }
)
