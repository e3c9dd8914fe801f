"""Times for people, in the zone of FEISHU_BATCH_TIME_ZONE. JSON uses `output.iso`, with the offset."""

from datetime import datetime

from config.lookups import time_zone
from config.settings import Settings


def moment(settings: Settings, seconds: float) -> str:
    """``2026-01-31 18:00:05 +08:00``; `seconds` are unix seconds."""
    text = datetime.fromtimestamp(seconds, time_zone(settings.time_zone)).isoformat(" ", timespec="seconds")
    return f"{text[:19]} {text[19:]}"


def moment_of(settings: Settings, text: str | None) -> str | None:
    """The same for an ISO time with its offset."""
    return None if text is None else moment(settings, datetime.fromisoformat(text).timestamp())
