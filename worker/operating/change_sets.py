"""Change sets as the commands show them: intents that belong together, such as those of one import."""

from collections.abc import Iterator, Sequence
from difflib import get_close_matches

from feishu_batch.change_set import FailedChange, SetCounts
from feishu_batch.keys import RecordField
from feishu_batch.set_reads import read_failures, read_sets
from worker.operating.errors import WrongUseError
from worker.operating.retry.results import RetryResults, retries_of
from worker.operating.session import Session

LOOKED_THROUGH = 20_000  # intents
COMPARED = 1000  # sets, to find the nearest to one that is unknown


def set_counts(session: Session, change_set: str) -> SetCounts:
    """Raises `WrongUseError` for an unknown set."""
    [found] = read_sets(session.redis, session.settings.key_prefix, [change_set])
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


def newest_sets(session: Session, limit: int) -> list[SetCounts]:
    found = read_sets(session.redis, session.settings.key_prefix, session.reads.sets(limit))
    return [one for one in found if one is not None]


def ids_of(session: Session, change_set: str) -> Iterator[str]:
    """Of its intents, in the order of enqueueing. Raises `WrongUseError` for an unknown set."""
    set_counts(session, change_set)
    return (one for some in session.reads.ids_of_set(change_set) for one in some)


def failures_of(session: Session, change_set: str) -> Iterator[FailedChange]:
    """Without changes that have succeeded on a retry. Raises `WrongUseError` for an unknown set, at once."""
    set_counts(session, change_set)
    return (
        failed
        for some in session.reads.ids_of_set(change_set)
        for failed in _still_failed(session, read_failures(session.redis, session.settings.key_prefix, some))
    )


def _still_failed(session: Session, failures: Sequence[FailedChange]) -> Iterator[FailedChange]:
    retries = _retries(session, list(dict.fromkeys(one.intent_id for one in failures)))
    results = RetryResults(session.reads, [id_ for ids in retries.values() for id_ in ids])
    succeeded = {intent_id: results.succeeded(ids) for intent_id, ids in retries.items()}
    return (one for one in failures if str(one.item) not in succeeded.get(one.intent_id, ()))


def _retries(session: Session, intent_ids: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Intent → the intents that `retry` made of it."""
    entries = zip(intent_ids, session.reads.entries(intent_ids), strict=True)
    places = {id_: place for id_, entry in entries if entry and (place := session.reads.place(entry))}
    records = session.reads.fields(list(places.values()), [RecordField.RETRIED_AS])
    return {id_: ids for id_, record in zip(places, records, strict=True) if (ids := retries_of(record))}


def _unknown(session: Session, change_set: str) -> str:
    near = get_close_matches(change_set, session.reads.sets(COMPARED), 1)
    hint = f"did you mean {near[0]}?" if near else "`feishu-batch sets` lists those that are known"
    return f"no change set is called {change_set!r}; {hint}"
