"""The settings of the field catalogue: whether intents are checked before they use a slot, and how long the check may take."""

import re
from datetime import UTC, timedelta, timezone, tzinfo
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, Field, field_validator

from config.fields import seconds

_OFFSET = re.compile(r"([+-])([01]\d|2[0-3]):([0-5]\d)")


class LookupSettings(BaseModel):
    """The part of `Settings` with the field catalogue."""

    catalogue: Literal["check", "off"] = Field(
        "check",
        description="Whether intake looks up fields: check (names become keys, and intents that cannot work are refused without a request), or off.",
    )
    catalogue_fresh_seconds: float = seconds(
        600,
        1,
        86_400,
        "How long looked-up fields, people and spaces are used without a refresh; older ones are refreshed in the background.",
    )
    catalogue_recheck_seconds: float = seconds(
        10,
        0.1,
        3600,
        "Before an intent is refused, fields with an older look-up than this are looked up again.",
    )
    catalogue_wait_seconds: float = seconds(
        1.5,
        0.1,
        30,
        "How long intake waits for a look-up before it continues without it; at most a quarter of LEASE_SECONDS.",
    )
    catalogue_retry_seconds: float = seconds(
        30, 0.1, 3600, "Pause after a failed look-up; meanwhile keys are accepted unchecked."
    )
    unchecked_texts: Literal["refuse", "send"] = Field(
        "refuse",
        description="What to do with a text that may be an option's label while the field's type cannot be looked up: refuse it (cannot_resolve), or send it.",
    )
    time_zone: str = Field(
        "+08:00",
        description="Time zone of dates and times without one: an offset from UTC, or a name like Asia/Shanghai.",
    )

    @field_validator("time_zone")
    @classmethod
    def _a_time_zone(cls, name: str) -> str:
        time_zone(name)
        return name


def time_zone(name: str) -> tzinfo:
    """Raises ValueError with a sentence that says which forms are accepted."""
    if name == "UTC":
        return UTC
    if found := _OFFSET.fullmatch(name):
        sign, hours, minutes = found.groups()
        distance = timedelta(hours=int(hours), minutes=int(minutes))
        return timezone(-distance if sign == "-" else distance)
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        raise ValueError(
            "must be an offset from UTC like +08:00, or a name that this machine knows, like Asia/Shanghai"
        ) from None
