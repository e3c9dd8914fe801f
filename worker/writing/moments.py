"""Unix milliseconds as people write them, so that `worker.writing.dates` reads the same milliseconds again."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta, tzinfo

from worker.writing.dates import DateError, milliseconds_in

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MINUTE_MS = 60_000
_SECOND_MS = 1000


def moment_in_words(milliseconds: int, zone: tzinfo, *, anywhere: bool = False) -> str:
    """A day if it begins then in `zone`; else with the time, and with the offset where it is needed. Digits if nothing else is exact.

    `anywhere`: always with the offset, so that it means the same to a reader in another zone.
    """
    try:
        moment = (_EPOCH + timedelta(milliseconds=milliseconds)).astimezone(zone)
    except (OverflowError, ValueError):
        return str(milliseconds)
    exactness = (
        "minutes" if not milliseconds % _MINUTE_MS else "seconds" if not milliseconds % _SECOND_MS else "milliseconds"
    )
    plain = moment.replace(tzinfo=None)
    is_day = plain.time().isoformat() == "00:00:00"
    local = plain.date().isoformat() if is_day else plain.isoformat(" ", exactness)
    exact = moment.isoformat(" ", exactness)
    for words in (exact,) if anywhere else (local, exact):
        with suppress(DateError):
            if milliseconds_in(words, zone) == milliseconds:
                return words
    return str(milliseconds)
