"""What the cells hold now whose changes were skipped because they were changed since. Reads, and writes nothing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from config.errors import ConfigError
from feishu_batch.change_set import FailedChange
from feishu_batch.explained import FailureCode
from worker.ledger.records import GroupSpec
from worker.operating.intent_specs import PlacedSpec, failures_with_specs
from worker.operating.session import Session
from worker.reading.cell_verdicts import LEFT_OUT, NO_SUCH_ITEM
from worker.reading.field_lookup import open_field_lookup
from worker.reading.item_reads import ItemsRead, ReadingRun
from worker.reading.wanted_cells import ReadPlace
from worker.remote.compare import ABSENT
from worker.remote.limits import MAX_ITEMS_PER_QUERY

MOST_READ: Final = 100  # cells
NO_CREDENTIALS: Final = "not read: the credentials are not set here"


@dataclass(frozen=True, slots=True)
class Held:
    """`value` is `ABSENT` where it is not known; `why`: why not."""

    value: Any = ABSENT
    why: str = ""


@dataclass(frozen=True, slots=True)
class ChangedSince:
    """A change that was skipped, because its cell did not hold the expected value. `now`: None: not asked for."""

    item: int
    placed: PlacedSpec
    now: Held | None = None

    @property
    def spec(self) -> GroupSpec:
        return self.placed.spec

    @property
    def place(self) -> ReadPlace:
        spec = self.spec
        return ReadPlace(self.placed.lane, spec.project_key, spec.work_item_type_key, spec.user_key or "")


@dataclass(frozen=True, slots=True)
class _AskedFor:
    place: ReadPlace
    items: list[int]
    fields: list[str]


def changed_since(session: Session, change_set: str) -> list[ChangedSince]:
    """Of a change set; the first `MOST_READ` with what their cells hold. Raises `WrongUseError` for an unknown set."""
    pairs = failures_with_specs(session, change_set)
    found = [ChangedSince(one.item, placed) for one, placed in pairs if placed and is_changed_since(one)]
    return [*with_values(session, found[:MOST_READ]), *found[MOST_READ:]]


def is_changed_since(failed: FailedChange) -> bool:
    return failed.code == FailureCode.CHANGED_MEANWHILE


def with_values(session: Session, skipped: Sequence[ChangedSince]) -> list[ChangedSince]:
    if not skipped:
        return []
    try:
        reads = open_field_lookup(session).reads
    except ConfigError:
        return [ChangedSince(one.item, one.placed, Held(why=NO_CREDENTIALS)) for one in skipped]
    answers: dict[tuple[ReadPlace, int], ItemsRead] = {}
    for asked, answer in ReadingRun(reads).read(_to_read(skipped)):
        answers |= {(asked.place, item): answer for item in asked.items}
    return [ChangedSince(one.item, one.placed, _held(one, answers[one.place, one.item])) for one in skipped]


def _to_read(skipped: Sequence[ChangedSince]) -> Iterator[_AskedFor]:
    for place in dict.fromkeys(one.place for one in skipped):
        here = [one for one in skipped if one.place == place]
        fields = sorted({one.spec.field_key for one in here})
        items = iter(dict.fromkeys(one.item for one in here))
        while some := list(islice(items, MAX_ITEMS_PER_QUERY)):
            yield _AskedFor(place, some, fields)


def _held(one: ChangedSince, answer: ItemsRead) -> Held:
    if answer.trouble:
        return Held(why=answer.trouble)
    item = answer.items.get(one.item)
    if item is None:
        return Held(why=NO_SUCH_ITEM)
    value = item.fields.get(one.spec.field_key, ABSENT)
    return Held(why=LEFT_OUT) if value is ABSENT else Held(value)
