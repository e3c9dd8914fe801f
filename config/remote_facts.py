"""What is believed about the remote API and stands on no official page: every such constant can be changed here.

Each default is a second-hand report or an inference. A deployment that behaves differently is fitted by a variable,
not by a change of code. What official pages do say is a named constant beside the remote client.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, Field, NonNegativeInt

from config.fields import Codes, FromJson, Words, number, seconds


class ErrorClass(StrEnum):
    """What an error code of the remote API asks of us: the class names that ERROR_CLASSES accepts."""

    RATE_LIMIT = "rate_limit"  # not executed: widen the spacing, send again, not an attempt
    CLASH = "clash"  # the first request with this UUID arrived
    TOKEN = "token"  # noqa: S105 - the name of a class, no password: renew once, repeat once
    LANE = "lane"  # credentials, permission, quota: pause the lane
    SPACE = "space"  # fail the intents of this space and type
    BATCH = "batch"  # permanent: a bad request
    ITEM = "item"  # permanent, but perhaps one item's fault: split and find it
    TRANSIENT = "transient"  # not executed: back off and send again
    TRANSIENT_READ = "transient_read"  # transient on a read, permanent on a write
    UNKNOWN = "unknown"  # may have been applied: outcome unknown
    BY_TEXT = "by_text"  # transient if a text of TRANSIENT_TEXTS occurs in it, otherwise unknown


class RemoteFacts(BaseModel):
    """The part of `Settings` that describes the remote system's behaviour."""

    error_classes: Annotated[dict[NonNegativeInt, ErrorClass], *FromJson] = Field(
        default_factory=dict,
        description="JSON object, error code to class, over the built-in table: "
        f'{{"10429": "rate_limit"}}. Classes: {", ".join(ErrorClass)}.',
    )
    transient_texts: Words = Field(
        ("please try again later",),
        description="Texts that mark an error of class by_text (50006) as not executed. Compared without case. "
        "On a write, only an answer that proves it is believed: HTTP 2xx or 4xx, without a word of a time-out or the database.",
    )
    missing_item_codes: Codes = Field(
        (30005,), description="Codes by which a read-back says that an item of the call does not exist."
    )
    final_job_statuses: Words = Field(
        ("SUCCESS", "FAILED", "CANCELED"),
        description="Words of task_status after which a job changes nothing any more. Every unlisted word means: ask again.",
    )
    not_exist_statuses: Words = Field(
        ("NOT_EXIST",), description="Words of task_status by which a job is not, or not yet, known."
    )
    not_exist_seconds: float = seconds(
        30, 0, 3600, "How long a job may stay not existing before its outcome counts as unknown."
    )
    job_timeout_seconds: float = seconds(
        3600, 1, 7 * 86400, "How long an accepted job is followed before its outcome counts as unknown."
    )
    idempotency_survives_token: bool = Field(
        default=False,
        description="Whether X-IDEM-UUID still protects after the token was renewed. If not, a repeat under a new token proves nothing.",
    )
    user_rights_headers: Annotated[dict[str, str], *FromJson] = Field(
        default_factory=lambda: {"x-auth-mode": "1"},
        description="JSON object: the headers that ENFORCE_USER_RIGHTS adds to every call.",
    )
    read_slots_per_second: float = number(
        15, 0.1, 1000, "Other calls (token, fields, read-back) a second and endpoint."
    )
    token_renew_early_seconds: float = seconds(300, 0, 3600, "How long before its end a plugin token is renewed.")
