"""The one table of the outcomes that a change can have. All code that distinguishes outcomes uses it, including the Lua scripts."""

from enum import StrEnum
from typing import Self

from feishu_batch.keys import RecordField


class OutcomeKind(StrEnum):
    """A member is the letter that the ledger stores.

    `label` is its name in results, messages and metrics; `field` the field of an intent's record that counts it;
    `is_success`: the item holds the requested value, or a newer one.
    """

    label: str
    field: str
    is_success: bool

    def __new__(cls, letter: str, label: str, field: str, is_success: bool) -> Self:
        member = str.__new__(cls, letter)
        member._value_ = letter
        member.label, member.field, member.is_success = label, field, is_success
        return member

    SUCCEEDED = "o", "succeeded", RecordField.SUCCEEDED, True
    UNCHANGED = "u", "unchanged", RecordField.UNCHANGED, True  # the cell was seen to hold the value already
    FAILED = "f", "failed", RecordField.FAILED, False
    SUPERSEDED = "s", "superseded", RecordField.SUPERSEDED, True
    CANCELED = "c", "canceled", RecordField.CANCELED, False
    EXPIRED = "e", "expired", RecordField.EXPIRED, False


_OF_LETTER = {str(kind): kind for kind in OutcomeKind}


def holds_value(outcome: str | None) -> bool:
    """Whether the item of an ended intent holds the value of this intent itself, by its entry in the ledger: none for a success."""
    if outcome is None:
        return True
    kind = _OF_LETTER[outcome[0]]
    return kind.is_success and kind is not OutcomeKind.SUPERSEDED


LABELS = tuple(kind.label for kind in OutcomeKind)
FIELDS = tuple(kind.field for kind in OutcomeKind)
SUCCESSES = frozenset(kind.label for kind in OutcomeKind if kind.is_success)
