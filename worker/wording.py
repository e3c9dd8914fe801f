"""Counts, durations, times and values in words: for commands, page and logs."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime

from feishu_batch.written import untagged


def duration(seconds: float) -> str:
    """About: ``8 s``, ``3 min``, ``2.5 h``."""
    if seconds < 100:  # noqa: PLR2004 - as the docstring shows
        return f"{seconds:.0f} s"
    if seconds < 100 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def some(count: int, noun: str, plural: str = "") -> str:
    """``1 row``, ``2 rows``, ``2 batches``."""
    return f"{count} {noun if count == 1 else plural or noun + 's'}"


def as_json(value: object, most: int = 60) -> str:
    """A field's value as its producer wrote it, cut to so many characters."""
    text = json.dumps(untagged(value), ensure_ascii=False)
    return text if len(text) <= most else text[:most] + "…"


def iso(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def first_few(things: Iterable[object], most: int = 5) -> str:
    """Each thing once."""
    listed = list(dict.fromkeys(str(thing) for thing in things))
    more = f" … and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more
