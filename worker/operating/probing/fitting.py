"""The settings that fit what was found. Pure.

A reading is of a few requests at one hour, so a setting becomes safer by it, or stays as it is.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from config.pace import MOST_SINGLE_UPDATES
from config.settings import ENV_PREFIX
from worker.operating.probing import access, batch_window, early_poll, freshness, lost_update, request_limit
from worker.operating.probing.readings import Reading

SHARE_OF_LIMIT: Final = 0.87  # of the limit that was found: 13 of 15
LEAST_READS_BEHIND: Final = 10  # seconds, the default
LEAST_NOT_EXIST: Final = 30  # seconds, the default
SAFETY: Final = 3  # times what was seen
SLOWER_SLOT: Final = 1.2  # seconds


@dataclass(frozen=True, slots=True)
class FittingSetting:
    name: str  # of the variable
    value: str
    why: str


def settings_that_fit(readings: Sequence[Reading]) -> list[FittingSetting]:
    found = {one.name: one for one in readings}
    return [*_singles(found), *_reads(found), *_jobs(found), *_slot(found)]


def as_env_file(settings: Sequence[FittingSetting], where: str, when: str) -> str:
    lines = [f"# Found by feishu-batch probe in {where} on {when}."]
    for one in settings:
        lines += ["", f"# {one.why}", f"{one.name}={one.value}"]
    return "\n".join([*lines, ""])


def _setting(name: str, value: object, why: str) -> FittingSetting:
    return FittingSetting(f"{ENV_PREFIX}{name}", str(value), " ".join(why.split()))


def _singles(found: Mapping[str, Reading]) -> Iterator[FittingSetting]:
    name = "SINGLE_UPDATES_PER_SECOND"
    allowed, limit, lost = (_of(found, one.NAME) for one in (access, request_limit, lost_update))
    if allowed and allowed.finding == access.REFUSED:
        yield _setting(name, 0, f"{allowed.in_words()}.")
        return
    if allowed and limit and (rate := _figure(limit, "per_second")):
        safe = max(1, min(MOST_SINGLE_UPDATES, int(rate * SHARE_OF_LIMIT)))
        yield _setting(name, safe, f"{limit.in_words()}. A few of them are left for other programs.")
    if lost and lost.finding == lost_update.LOST:
        yield _setting("SINGLE_ITEMS_ALONE", "true", f"{lost.in_words()}.")


def _reads(found: Mapping[str, Reading]) -> Iterator[FittingSetting]:
    reading = _of(found, freshness.NAME)
    if reading and (behind := _figure(reading, "behind_seconds")) is not None:
        value = max(LEAST_READS_BEHIND, math.ceil(SAFETY * behind))
        least = " The default is kept, to be safe." if value == LEAST_READS_BEHIND else ""
        yield _setting("READS_BEHIND_SECONDS", value, f"{reading.in_words()}.{least}")


def _jobs(found: Mapping[str, Reading]) -> Iterator[FittingSetting]:
    reading = _of(found, early_poll.NAME)
    if reading and (hidden := _figure(reading, "hidden_seconds")) is not None:
        value = max(LEAST_NOT_EXIST, math.ceil(SAFETY * hidden))
        yield _setting("NOT_EXIST_SECONDS", value, f"{reading.in_words()}.")


def _slot(found: Mapping[str, Reading]) -> Iterator[FittingSetting]:
    reading = _of(found, batch_window.NAME)
    if reading and reading.finding == batch_window.SLOWER:
        yield _setting("SLOT_SECONDS", SLOWER_SLOT, f"{reading.in_words()}.")


def _of(found: Mapping[str, Reading], name: str) -> Reading | None:
    """Only what was settled."""
    reading = found.get(name)
    return reading if reading and reading.tries else None


def _figure(reading: Reading, name: str) -> Any:
    return reading.details.get(name)
