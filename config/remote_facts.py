"""Assumptions about the remote API that no official page confirms: each is a setting.

Each default is a second-hand report or an inference. For a deployment that behaves differently, change a variable,
not the code. Facts from official pages are named constants beside the remote client.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, Field, NonNegativeInt

from config.fields import Codes, FromJson, Words, number, seconds


class ErrorClass(StrEnum):
    """How we react to an error code of the remote API: the class names for ERROR_CLASSES."""

    RATE_LIMIT = "rate_limit"  # not executed: widen the spacing, send again, not an attempt
    CLASH = "clash"  # the first request with this UUID arrived
    TOKEN = "token"  # noqa: S105 - the name of a class, not a password: renew once, repeat once
    LANE = "lane"  # credentials, permission, quota: pause the lane
    SPACE = "space"  # fail the intents of this space and type
    BATCH = "batch"  # permanent: a bad request
    ITEM = "item"  # permanent, but perhaps because of one item: split the batch and find it
    TRANSIENT = "transient"  # not executed: back off and send again
    TRANSIENT_READ = "transient_read"  # transient on a read, permanent on a write
    UNKNOWN = "unknown"  # may have been applied: outcome unknown
    BY_TEXT = "by_text"  # transient with a text of TRANSIENT_TEXTS, item with that of a refusal, otherwise unknown


class RemoteFacts(BaseModel):
    """The part of `Settings` that describes the remote system's behaviour."""

    error_classes: Annotated[dict[NonNegativeInt, ErrorClass], *FromJson] = Field(
        default_factory=dict,
        description="JSON object, error code to class, added to the built-in table: "
        f'{{"10429": "rate_limit"}}. Classes: {", ".join(ErrorClass)}.',
    )
    transient_texts: Words = Field(
        ("please try again later",),
        description="Texts that mark an error of class by_text (50006) as not executed. Case is ignored. "
        "For a write, this needs HTTP 2xx or 4xx, and a text that does not mention a timeout or the database.",
    )
    missing_item_codes: Codes = Field(
        (30005,), description="Codes of a read-back that mean that an item of the call does not exist."
    )
    final_job_statuses: Words = Field(
        ("SUCCESS", "FAILED", "CANCELED"),
        description="Words of task_status after which a job makes no further changes. With any other word, the job is polled again.",
    )
    not_exist_statuses: Words = Field(
        ("NOT_EXIST",), description="Words of task_status of a job that the remote system does not know (yet)."
    )
    not_exist_seconds: float = seconds(
        30, 0, 3600, "How long a job may be reported as not existing before its outcome counts as unknown."
    )
    job_timeout_seconds: float = seconds(
        3600, 1, 7 * 86400, "How long an accepted job is polled before its outcome counts as unknown."
    )
    idempotency_survives_token: bool = Field(
        default=False,
        description="Whether X-IDEM-UUID still protects from duplicates after the token was renewed. If not, a repeat with a new token proves nothing.",
    )
    user_rights_headers: Annotated[dict[str, str], *FromJson] = Field(
        default_factory=lambda: {"x-auth-mode": "1"},
        description="JSON object: the headers that ENFORCE_USER_RIGHTS adds to every call.",
    )
    read_slots_per_second: float = number(
        15, 0.1, 1000, "Other calls (token, fields, read-back) per second and endpoint."
    )
    reads_behind_seconds: float = seconds(
        10,
        0,
        600,
        "For so long after our own write to a cell, a read of it proves nothing: it may show what was there before.",
    )
    token_renew_early_seconds: float = seconds(300, 0, 3600, "How long before it expires a plugin token is renewed.")
