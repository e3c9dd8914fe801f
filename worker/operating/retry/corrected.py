"""Failed items whose field a later intent has written since: of a corrected file that was imported again, for example."""

from collections.abc import Callable, Iterable

from worker.operating.retry.decision import ANY_COLUMN, Failure, LaterWrites
from worker.operating.retry.sources import retry_reader
from worker.operating.session import Session

MOST_LOOKED_AT = (
    20_000  # later intents, two seconds at most; earlier failures are listed, although they may be corrected
)

FailedItem = tuple[str, str]  # item, intent id
# lane and number of intents → their corrected items
Corrected = Callable[[Iterable[tuple[str, int]]], set[FailedItem]]


def corrected_in(session: Session) -> Corrected:
    def corrected(places: Iterable[tuple[str, int]]) -> set[FailedItem]:
        reader = retry_reader(session)
        failures = [one for place in places if (one := reader.failure(*place))]
        past = reader.past(failures, most=MOST_LOOKED_AT)
        return {(str(item), one.intent_id) for one in failures for item in one.items if _is_corrected(one, item, past)}

    return corrected


def _is_corrected(failure: Failure, item: int, past: LaterWrites) -> bool:
    if failure.spec is None or failure.column == ANY_COLUMN:
        return False
    later = past.touches.get((failure.cell_lane, failure.column, item), ())
    return any(one.number > failure.number and one.succeeded for one in later)
