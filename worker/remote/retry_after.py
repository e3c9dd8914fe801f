"""The delay that an answer requests: the header `Retry-After`, in seconds or as a date. Pure."""

from datetime import UTC
from email.utils import parsedate_to_datetime

LONGEST_RETRY_AFTER = 600.0  # seconds; a mistake of the remote system must not stop a lane for a day


def retry_after(header: str | None, date: str | None, now: float) -> float:
    """Seconds, 0 to LONGEST_RETRY_AFTER; 0 without a readable header.

    A date is compared with the answer's own `date`, so that clock differences do not matter; without one with
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
        # RFC 9110: always GMT; a date without a zone is read as GMT too.
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
