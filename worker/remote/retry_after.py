"""For how long an answer asks to be left alone: the header `Retry-After`, in seconds or as a date. Pure."""

from datetime import UTC
from email.utils import parsedate_to_datetime

LONGEST_RETRY_AFTER = 600.0  # seconds; a slip of the remote system's must not stop a lane for a day


def retry_after(header: str | None, date: str | None, now: float) -> float:
    """Seconds, 0 to LONGEST_RETRY_AFTER; 0 where nothing is asked for, or nothing that can be read.

    A date is measured from the answer's own `date`, so that it does not matter whose clock is right; without one from
    `now`, unix seconds.
    """
    text = (header or "").strip()
    try:
        seconds = float(text)
    except ValueError:
        until = _moment(text)
        seconds = 0.0 if until is None else until - (_moment((date or "").strip()) or now)
    return min(LONGEST_RETRY_AFTER, seconds) if seconds > 0 else 0.0  # NaN is not more than 0


def _moment(text: str) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
        # RFC 9110: always GMT; a date that names no zone is read so as well.
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
