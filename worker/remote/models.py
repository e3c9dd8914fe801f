"""Requests to and answers from the remote API, as frozen records."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self

from pydantic import SecretStr

# Types that no plugin may write (official page).
NEVER_WRITABLE_TYPES = frozenset(
    {"signal", "multi_signal", "file", "multi_file", "vote_boolean", "vote_option", "vote_option_multi"}
)
CALCULATED = "Calculate"
CLOCKS_APART = 60.0  # seconds by which the clocks of two machines may differ, before a clock counts as changed


@dataclass(frozen=True, slots=True)
class Exchange:
    """When one request was sent and when its answer began, both `time.monotonic()` of this process.

    `sent_at` is the moment before the first request byte, after any connection and TLS handshake. `answered_at` is
    the moment the response headers were complete or, when none came, the moment of the failure.
    """

    sent_at: float
    answered_at: float

    @property
    def duration(self) -> float:
        return self.answered_at - self.sent_at


@dataclass(frozen=True, slots=True)
class BatchUpdate:
    """One submit request: one field of up to fifty items of one type in one space gets one value.

    `update_mode` is `APPEND`, `UPDATE` or `REPLACE`. `has_before` distinguishes "no before value" from a before value of null.
    """

    project_key: str
    work_item_type_key: str
    work_item_ids: tuple[int, ...]
    field_key: str
    update_mode: str
    before_field_value: Any
    after_field_value: Any
    has_before: bool

    def body(self) -> dict[str, Any]:
        """The JSON body. `after_field_value` is always included: without the key, the field would not be cleared."""
        body = {
            "project_key": self.project_key,
            "work_item_ids": list(self.work_item_ids),
            "work_item_type_key": self.work_item_type_key,
            "update_mode": str(self.update_mode),
            "field_key": self.field_key,
            "after_field_value": self.after_field_value,
        }
        if self.has_before:
            body["before_field_value"] = self.before_field_value
        return body


@dataclass(frozen=True, slots=True)
class Accepted:
    """The remote system took the batch and will work on it later, as job `task_id`. Not success."""

    task_id: str
    log_id: str
    exchange: Exchange


@dataclass(frozen=True, slots=True)
class ItemUpdate:
    """One single update: fields of one item get their values. Fields that are not named stay as they are.

    `fields`: (field_key, value), at least one, each key once; values in the form of `BatchUpdate.after_field_value`, null to clear.
    """

    project_key: str
    work_item_type_key: str
    work_item_id: int
    fields: tuple[tuple[str, Any], ...]

    def body(self) -> dict[str, Any]:
        return {"update_fields": [{"field_key": key, "field_value": value} for key, value in self.fields]}


@dataclass(frozen=True, slots=True)
class ItemWritten:
    """The remote system answered that the item is updated. It does not say so of each field: some are dropped silently (three teams)."""

    log_id: str
    exchange: Exchange


class JobStatus(StrEnum):
    SUCCESS = "SUCCESS"
    FAILED = "FAILED"
    CANCELED = "CANCELED"
    IDLE = "IDLE"
    RUNNING = "RUNNING"
    NOT_EXIST = "NOT_EXIST"  # wrong id, expired, or not yet visible right after the submit: look again
    UNKNOWN = "UNKNOWN"  # ours: no status word, or an undocumented one

    @property
    def is_final(self) -> bool:
        """Final by our inference; the official page only lists the words."""
        return self in {JobStatus.SUCCESS, JobStatus.FAILED, JobStatus.CANCELED}


@dataclass(frozen=True, slots=True)
class JobReport:
    """One poll of a job. `None` for a list or a counter: the answer did not contain it.

    The lists are unchanged, including duplicates. `is_garbled`: a counter or a list entry could not be read.
    `scenes` are the remote reasons, verbatim and not tied to items. `word` is the unchanged status word.
    """

    task_id: str
    status: JobStatus
    total: int | None
    success_total: int | None
    error_total: int | None
    succeeded: tuple[int, ...] | None
    failed: tuple[int, ...] | None
    scenes: tuple[str, ...]
    exchange: Exchange
    word: str = ""
    log_id: str = ""
    is_garbled: bool = False

    @property
    def progress(self) -> float:
        """The share of finished items, 0 to 1; 0 if the answer does not state it."""
        done = (self.success_total or 0) + (self.error_total or 0)
        return min(1.0, max(0, done) / self.total) if self.total and self.total > 0 else 0.0

    @property
    def is_final(self) -> bool:
        return self.status.is_final


@dataclass(frozen=True, slots=True)
class WorkItem:
    """An item as read back. `fields`: field_key → value; `types`: field_key → normalised field type, if stated.

    `updated_at`: milliseconds; None if the answer does not state it.
    """

    id: int
    fields: dict[str, Any]
    types: dict[str, str] = field(default_factory=dict)
    name: str = ""
    updated_at: int | None = None


@dataclass(frozen=True, slots=True)
class ViewPage:
    """Some ids of a view. `total`: of all pages; None if the answer does not state it."""

    name: str
    ids: tuple[int, ...]
    total: int | None


@dataclass(frozen=True, slots=True)
class Option:
    """One choice of a select or tree field. `value` is what is written; `label` is what people see."""

    value: str
    label: str
    children: tuple["Option", ...] = ()
    is_disabled: bool = False


@dataclass(frozen=True, slots=True)
class Field:
    """One field of an item type. `type_key` is normalised to underscores; `relation` is only in the form."""

    key: str
    name: str
    alias: str
    type_key: str
    options: tuple[Option, ...] = ()
    is_obsolete: bool = False
    value_generate_mode: str = ""
    is_required: bool | None = None
    relation: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_writable(self) -> bool:
        return self.value_generate_mode != CALCULATED and self.type_key not in NEVER_WRITABLE_TYPES


@dataclass(frozen=True, slots=True)
class Project:
    project_key: str
    simple_name: str
    name: str


@dataclass(frozen=True, slots=True)
class Person:
    user_key: str
    email: str


@dataclass(frozen=True, slots=True)
class ItemType:
    type_key: str
    name: str
    api_name: str
    is_disabled: bool


@dataclass(frozen=True, slots=True)
class Token:
    """A plugin token. `expires_at` in unix seconds; `lifetime` in seconds is what the remote system granted."""

    value: SecretStr
    expires_at: float
    lifetime: float

    @classmethod
    def issued(cls, value: str, *, at: float, lifetime: float) -> Self:
        return cls(SecretStr(value), at + lifetime, lifetime)

    @property
    def fingerprint(self) -> str:
        """A hash that identifies the token in the ledger and in logs without revealing it."""
        return hashlib.sha256(self.value.get_secret_value().encode()).hexdigest()[:12]

    def is_valid(self, now: float) -> bool:
        return now < self.expires_at

    def is_due(self, now: float, renew_early: float) -> bool:
        """Whether it should be renewed: early, but at most half its lifetime early (otherwise it would be renewed constantly).

        If more time is left than the lifetime, the clock was set back, and the remaining time is unknown.
        """
        left = self.expires_at - now
        return left <= min(renew_early, self.lifetime / 2) or left > self.lifetime + CLOCKS_APART
