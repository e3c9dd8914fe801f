"""Change sets as the commands show them: intents that belong together, such as those of one import."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from feishu_batch.change_set import FailedChange, SetCounts
from feishu_batch.explained import FailureCode
from feishu_batch.set_reads import read_failures, read_sets
from worker.operating.errors import WrongUseError
from worker.operating.retry.corrected import corrected_in
from worker.operating.session import Session

LOOKED_THROUGH = 20_000  # intents
COMPARED = 1000  # sets, to find the nearest to one that is unknown


@dataclass(frozen=True, slots=True)
class Skipped:
    """Changes that count as failed, and were not written because the cell was changed since. `is_all`: every intent was looked at."""

    count: int = 0
    is_all: bool = True


def known_set(session: Session, change_set: str) -> SetCounts | None:
    [found] = read_sets(session.redis, session.settings.key_prefix, [change_set])
    return found


def set_counts(session: Session, change_set: str) -> SetCounts:
    """Raises `WrongUseError` for an unknown set."""
    found = known_set(session, change_set)
    if found is None:
        raise WrongUseError(_unknown(session, change_set))
    return found


def kept_values(session: Session, change_set: str) -> tuple[int, bool]:
    """How many values from before are kept, and whether that is all: only the first `LOOKED_THROUGH` intents are looked at."""
    count = seen = 0
    for some in session.reads.ids_of_set(change_set):
        if seen >= LOOKED_THROUGH:
            return count, False
        places = [place for entry in session.reads.entries(some) if entry and (place := session.reads.place(entry))]
        count, seen = count + session.reads.count_before(places), seen + len(some)
    return count, True


def skipped_in(session: Session, sets: Sequence[SetCounts]) -> dict[str, Skipped]:
    """By change set. Of all of them together, the first `LOOKED_THROUGH` intents are looked at."""
    left, found = LOOKED_THROUGH, {}
    for one in sets:
        count, is_all = 0, True
        for ids in session.reads.ids_of_set(one.change_set) if one.progress.failed else ():
            if left <= 0:
                is_all = False
                break
            left -= len(ids)
            failures = read_failures(session.redis, session.settings.key_prefix, ids)
            count += sum(failed.code == FailureCode.CHANGED_MEANWHILE for failed in failures)
        found[one.change_set] = Skipped(count, is_all)
    return found


def newest_sets(session: Session, limit: int) -> list[SetCounts]:
    found = read_sets(session.redis, session.settings.key_prefix, session.reads.sets(limit))
    return [one for one in found if one is not None]


def ids_of(session: Session, change_set: str) -> Iterator[str]:
    """Of its intents, in the order of enqueueing. Raises `WrongUseError` for an unknown set."""
    set_counts(session, change_set)
    return (one for some in session.reads.ids_of_set(change_set) for one in some)


def failures_of(session: Session, change_set: str) -> Iterator[FailedChange]:
    """Without changes that have succeeded on a retry, or whose field a later intent has written. Raises `WrongUseError` for an
    unknown set, at once.
    """
    set_counts(session, change_set)
    parts = (
        read_failures(session.redis, session.settings.key_prefix, some) for some in session.reads.ids_of_set(change_set)
    )
    failures = [failed for part in parts for failed in part]
    corrected = corrected_in(session)(_places(session, failures))
    return (one for one in failures if (str(one.item), one.intent_id) not in corrected)


def _places(session: Session, failures: Sequence[FailedChange]) -> list[tuple[str, int]]:
    entries = session.reads.entries(list(dict.fromkeys(one.intent_id for one in failures)))
    return [(entry.lane, entry.number) for entry in entries if entry and entry.lane]


def _unknown(session: Session, change_set: str) -> str:
    near = get_close_matches(change_set, session.reads.sets(COMPARED), 1)
    hint = f"did you mean {near[0]}?" if near else "`feishu-batch sets` lists those that are known"
    return f"no change set is called {change_set!r}; {hint}"
