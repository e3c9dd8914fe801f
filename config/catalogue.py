"""The field catalogue's settings: whether intents are checked before they cost a slot, and how long one may wait for that."""

import re
from datetime import UTC, timedelta, timezone, tzinfo
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, Field, field_validator

from config.fields import seconds

_OFFSET = re.compile(r"([+-])([01]\d|2[0-3]):([0-5]\d)")


class FieldCatalogue(BaseModel):
    """The part of `Settings` with the field catalogue."""

    catalogue: Literal["check", "off"] = Field(
        "check",
        description="Whether intake looks fields up: check (names become keys, what cannot work is refused before it costs a slot), or off.",
    )
    catalogue_fresh_seconds: float = seconds(
        600,
        1,
        86_400,
        "How long looked-up fields, people and spaces count as new; older ones are looked up beside the work.",
    )
    catalogue_recheck_seconds: float = seconds(
        10,
        0.1,
        3600,
        "Before an intent is refused, fields that were looked up longer ago than this are looked up again.",
    )
    catalogue_wait_seconds: float = seconds(
        1.5,
        0.1,
        30,
        "How long intake waits for a look-up before it goes on without; a quarter of LEASE_SECONDS at most.",
    )
    catalogue_retry_seconds: float = seconds(
        30, 0.1, 3600, "How long no look-up is tried after one that failed; meanwhile keys are taken unchecked."
    )
    time_zone: str = Field(
        "+08:00",
        description="Time zone of dates and times that name none: an offset from UTC, or a name like Asia/Shanghai.",
    )

    @field_validator("time_zone")
    @classmethod
    def _a_time_zone(cls, name: str) -> str:
        time_zone(name)
        return name


def time_zone(name: str) -> tzinfo:
    """Raises ValueError with a sentence that says what is wanted."""
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
            "has to be an offset from UTC like +08:00, or a name that this machine knows, like Asia/Shanghai"
        ) from None
