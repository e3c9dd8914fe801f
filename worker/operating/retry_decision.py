"""Which failed items are enqueued once more, and as what: not where a later change would be undone. Pure functions."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import blake2b
from itertools import product
from typing import Any

from feishu_batch.intents import UpdateIntent, is_real_project_key, parse_intent
from worker.catalogue.unresolved import SYSTEM_FIELDS
from worker.ledger.records import GroupSpec
from worker.operating.meanings import keys_only

Cell = tuple[str, str, int]  # lane, column ("<project_key> <field_key>"), item


class Why(StrEnum):
    """Why a failed item is left as it is."""

    RETRIED = "retried already"
    OVERTAKEN = "a later change of the same field of the item was enqueued"
    PERHAPS_OVERTAKEN = (
        "a later change of the item was enqueued, perhaps of the same field, which is called by a name here"
    )
    FORGOTTEN = "later intents were forgotten, so nobody can say whether one of them changed the field"
    EXPIRED = "the intent has expired"
    HURRIED = "others enqueue too fast for anybody to see whether they change the same field: run it again"
    REFUSED = "refused before anybody understood it; its value is not kept: correct it and enqueue it again"


_INSISTED_ON = frozenset({Why.OVERTAKEN, Why.PERHAPS_OVERTAKEN, Why.FORGOTTEN})
# Codes of intents that were refused before anybody understood them, so that there is nothing to send again.
VALUE_NOT_KEPT = frozenset({"no_lane", "not_understood"})
RETRY_OF = "retry of "  # begins the note of a retry
ANY_COLUMN = "*"  # of a cell: a wish that calls its field by a name that nobody knows may mean any
ANY_LANE = "*"  # of a cell: a space by its simple name may turn out to belong to any
NO_SUCH_FIELD = "30009"  # the code of a request that called its field by what is no key there


@dataclass(frozen=True, slots=True)
class Failure:
    """Failed items of one intent. `spec` is None for one that nobody could read. `is_refused`: at intake, so that the spec is
    as its producer wrote it, and `lane` only the one that keeps its record. `meant`: the spec by keys, where they are known.
    """

    number: int
    intent_id: str
    lane: str
    spec: GroupSpec | None
    items: tuple[int, ...]
    priority: int = 5
    keeps: bool = False
    expires_at: float | None = None
    is_refused: bool = False
    wished_lane: str | None = None  # of a refused one
    meant: GroupSpec | None = None
    codes: frozenset[str] = frozenset()  # that its items failed with

    @property
    def column(self) -> str:
        if self.spec is None:
            return ""
        if (known := self.meant or (self.spec if self._is_key else None)) is None:
            return ANY_COLUMN
        return f"{known.project_key} {known.field_key}"

    @property
    def _is_key(self) -> bool:
        """Whether its field's word means itself. What was sent as the key of a system field and found was one."""
        spec = self.spec
        if spec is None or self.is_refused or NO_SUCH_FIELD in self.codes:
            return spec is not None and keys_only(spec) is not None
        return spec.field_key in SYSTEM_FIELDS or keys_only(spec) is not None

    @property
    def cell_lane(self) -> str:
        """Where it would be changed."""
        if self.spec is None or not self.is_refused:
            return self.lane
        return self.wished_lane or (self.lane if is_real_project_key(self.spec.project_key) else ANY_LANE)

    @property
    def note(self) -> str:
        return f"{RETRY_OF}{self.intent_id}"


@dataclass(frozen=True, slots=True)
class Touch:
    """A later intent that wanted to change a cell. `stands`: it waits, is under way, or was, or may have been, applied."""

    number: int
    note: str | None
    stands: bool


@dataclass(slots=True)
class Past:
    """What came later: by cell; the newest number of which nothing is known any more; and up to which number it was looked at."""

    touches: dict[Cell, list[Touch]] = field(default_factory=dict)
    forgotten: int = 0
    newest: int = 0
    cells: frozenset[Cell] = frozenset()  # that are looked for

    def touched(self, lane: str, columns: Collection[str], items: Iterable[int]) -> set[Cell]:
        """Which of the cells somebody touches who writes to these."""
        places = list(product((lane, ANY_LANE), (*columns, ANY_COLUMN)))
        return {cell for item in items for place in places if (cell := (*place, item)) in self.cells}

    def note(self, cells: Collection[Cell], touch: Touch) -> None:
        for cell in cells:
            self.touches.setdefault(cell, []).append(touch)

    @property
    def columns(self) -> set[tuple[str, str]]:
        return {(lane, column) for lane, column, _ in self.cells}


@dataclass(frozen=True, slots=True)
class Decision:
    failure: Failure
    items: tuple[int, ...]  # to be retried
    left: Mapping[Why, tuple[int, ...]]


def decide(failure: Failure, past: Past, now: float, *, even_if_overtaken: bool) -> Decision:
    items: list[int] = []
    left: dict[Why, list[int]] = {}
    for item in failure.items:
        why = _why_not(failure, item, past, now)
        if why is None or (even_if_overtaken and why in _INSISTED_ON):
            items.append(item)
        else:
            left.setdefault(why, []).append(item)
    return Decision(failure, tuple(items), {why: tuple(which) for why, which in left.items()})


def _why_not(failure: Failure, item: int, past: Past, now: float) -> Why | None:
    if failure.spec is None:
        return Why.REFUSED
    later = [t for t in past.touches.get((failure.cell_lane, failure.column, item), ()) if t.number > failure.number]
    if any(touch.note == failure.note for touch in later):
        return Why.RETRIED
    if failure.expires_at is not None and failure.expires_at <= now:
        return Why.EXPIRED
    if any(touch.stands for touch in later):
        return Why.PERHAPS_OVERTAKEN if failure.column == ANY_COLUMN else Why.OVERTAKEN
    return Why.FORGOTTEN if past.forgotten > failure.number else None


def new_intent(failure: Failure, items: Sequence[int]) -> UpdateIntent:
    """The same wish for these items, by the keys that it was judged by. The same failure and items give the same id."""
    spec = failure.meant or failure.spec
    if spec is None:
        raise ValueError("an intent that nobody could read has no value to send again")
    source = f"{failure.intent_id}\0{','.join(map(str, items))}"
    content: dict[str, Any] = {name: getattr(spec, name) for name in GroupSpec.__slots__}
    content |= {
        "intent_id": "retry-" + blake2b(source.encode(), digest_size=16).hexdigest(),
        "work_item_ids": list(items),
        "lane": failure.wished_lane if failure.is_refused else failure.lane,
        "priority": failure.priority,
        "keep_every_change": failure.keeps,
        "note": failure.note,
    }
    if failure.expires_at is not None:
        content["expires_at"] = _iso(failure.expires_at)
    return parse_intent(content)


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def chosen(failures: Sequence[Failure], field_key: str | None) -> Iterator[Failure]:
    """Oldest first, so that the new intents of a cell stand in the order of the old ones."""
    for failure in sorted(failures, key=lambda one: one.number):
        if field_key is None or field_key in {one.field_key for one in (failure.spec, failure.meant) if one}:
            yield failure
