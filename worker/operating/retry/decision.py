"""Which failed items are enqueued again, and how: not if that would undo a later change. Pure functions."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b
from itertools import product
from typing import Any

from feishu_batch.explained import FailureCode
from feishu_batch.intents import UpdateIntent, is_real_project_key, parse_intent
from worker.catalogue.unresolved import SYSTEM_FIELDS
from worker.ledger.records import GroupSpec
from worker.operating.meanings import keys_only
from worker.wording import iso

Cell = tuple[str, str, int]  # lane, column ("<project_key> <field_key>"), item


class SkipReason(StrEnum):
    """Why a failed item is skipped."""

    RETRIED = "already retried"
    OVERTAKEN = "a later intent changes the same field of the item"
    PERHAPS_OVERTAKEN = (
        "a later intent changes the item, perhaps in the same field, which one of the two calls by a name"
    )
    FORGOTTEN = "the records of later intents have expired, so it is unknown whether one of them changed the field"
    EXPIRED = "the intent has expired"
    CHANGED = "changed since: the cell does not hold the value that the change expects"
    HURRIED = "new intents arrive faster than they can be checked for changes of the same field: run it again"
    REFUSED = "refused as not readable, so its value was not kept: correct the intent and enqueue it again"


_INSISTED_ON = frozenset({SkipReason.OVERTAKEN, SkipReason.PERHAPS_OVERTAKEN, SkipReason.FORGOTTEN})
# Codes of intents that were refused as not readable, so there is no value to send again.
VALUE_NOT_KEPT = frozenset({"no_lane", "not_understood"})
# And of changes whose condition did not hold: they are retried only if their code is asked for.
NOT_RETRIED = VALUE_NOT_KEPT | {str(FailureCode.CHANGED_MEANWHILE)}
RETRY_OF = "retry of "  # prefix of the note of a retry
ANY_COLUMN = "*"  # of a cell: an unknown field name may mean any field
ANY_LANE = "*"  # of a cell: a simple name may be a space of any lane
NO_SUCH_FIELD = "30009"  # the code of a request with an unknown field key


@dataclass(frozen=True, slots=True)
class Failure:
    """Failed items of one intent. `spec`: None if it was not readable. `is_refused`: refused at intake, so that the spec is
    as its producer wrote it, and `lane` only stores its record. `meant`: the spec with keys, if they are known.
    """

    number: int
    intent_id: str
    lane: str
    spec: GroupSpec | None
    items: tuple[int, ...]
    priority: int = 5
    keeps: bool = False
    may_skip: bool = False
    expires_at: float | None = None
    is_refused: bool = False
    requested_lane: str | None = None  # of a refused one
    meant: GroupSpec | None = None
    codes: frozenset[str] = frozenset()  # the codes of its items
    change_set: str | None = None
    changed_since: frozenset[int] = frozenset()  # items that are retried only if their code is asked for

    @property
    def column(self) -> str:
        if self.spec is None:
            return ""
        if (known := self.meant or (self.spec if self._is_key else None)) is None:
            return ANY_COLUMN
        return f"{known.project_key} {known.field_key}"

    @property
    def _is_key(self) -> bool:
        """Whether its field is given by key. A word that was sent as the key of a system field, and found, was a key."""
        spec = self.spec
        if spec is None or self.is_refused or NO_SUCH_FIELD in self.codes:
            return spec is not None and keys_only(spec) is not None
        return spec.field_key in SYSTEM_FIELDS or keys_only(spec) is not None

    @property
    def cell_lane(self) -> str:
        """The lane in which the cell would be changed."""
        if self.spec is None or not self.is_refused:
            return self.lane
        return self.requested_lane or (self.lane if is_real_project_key(self.spec.project_key) else ANY_LANE)

    @property
    def note(self) -> str:
        return f"{RETRY_OF}{self.intent_id}"


@dataclass(frozen=True, slots=True)
class LaterWrite:
    """A later intent for a cell. `stands`: it is waiting, in progress, or was, or may have been, applied. `succeeded`: it was."""

    number: int
    note: str | None
    stands: bool
    succeeded: bool = False


@dataclass(slots=True)
class LaterWrites:
    """Later intents: by cell; the newest number whose record has expired; and the number up to which intents were read."""

    touches: dict[Cell, list[LaterWrite]] = field(default_factory=dict)
    forgotten: int = 0
    newest: int = 0
    cells: frozenset[Cell] = frozenset()  # the cells of interest

    def touched(self, lane: str, columns: Collection[str], items: Iterable[int]) -> set[Cell]:
        """Which of the cells an intent touches that writes to these columns."""
        places = list(product((lane, ANY_LANE), (*columns, ANY_COLUMN)))
        return {cell for item in items for place in places if (cell := (*place, item)) in self.cells}

    def note(self, cells: Collection[Cell], touch: LaterWrite) -> None:
        for cell in cells:
            self.touches.setdefault(cell, []).append(touch)

    @property
    def columns(self) -> set[tuple[str, str]]:
        return {(lane, column) for lane, column, _ in self.cells}


@dataclass(frozen=True, slots=True)
class RetryDecision:
    failure: Failure
    items: tuple[int, ...]  # to retry
    left: Mapping[SkipReason, tuple[int, ...]]


def decide(failure: Failure, past: LaterWrites, now: float, *, even_if_overtaken: bool) -> RetryDecision:
    items: list[int] = []
    left: dict[SkipReason, list[int]] = {}
    for item in failure.items:
        why = _why_not(failure, item, past, now)
        if why is None or (even_if_overtaken and why in _INSISTED_ON):
            items.append(item)
        else:
            left.setdefault(why, []).append(item)
    return RetryDecision(failure, tuple(items), {why: tuple(which) for why, which in left.items()})


def _why_not(failure: Failure, item: int, past: LaterWrites, now: float) -> SkipReason | None:
    if failure.spec is None:
        return SkipReason.REFUSED
    later = [t for t in past.touches.get((failure.cell_lane, failure.column, item), ()) if t.number > failure.number]
    if any(touch.note == failure.note for touch in later):
        return SkipReason.RETRIED
    if item in failure.changed_since:
        return SkipReason.CHANGED
    if failure.expires_at is not None and failure.expires_at <= now:
        return SkipReason.EXPIRED
    if any(touch.stands for touch in later):
        return SkipReason.PERHAPS_OVERTAKEN if failure.column == ANY_COLUMN else SkipReason.OVERTAKEN
    return SkipReason.FORGOTTEN if past.forgotten > failure.number else None


def new_intent(failure: Failure, items: Sequence[int]) -> UpdateIntent:
    """The same change for these items, with the keys of the decision. The same failure and items give the same id."""
    spec = failure.meant or failure.spec
    if spec is None:
        raise ValueError("an intent that was not readable has no value to send again")
    source = f"{failure.intent_id}\0{','.join(map(str, items))}"
    content: dict[str, Any] = {name: getattr(spec, name) for name in GroupSpec.__slots__ if name != "expected"}
    if spec.expected is not None:
        content["expected_field_value"] = spec.expected[0]
    content |= {
        "skip_unchanged": failure.may_skip,
        "intent_id": "retry-" + blake2b(source.encode(), digest_size=16).hexdigest(),
        "work_item_ids": list(items),
        "lane": failure.requested_lane if failure.is_refused else failure.lane,
        "priority": failure.priority,
        "keep_every_change": failure.keeps,
        "note": failure.note,
        "change_set": failure.change_set,
    }
    if failure.expires_at is not None:
        content["expires_at"] = iso(failure.expires_at)
    return parse_intent(content)


def chosen(
    failures: Sequence[Failure],
    field: str | None,
    key_of: Callable[[GroupSpec, str], str | None] = lambda _spec, _word: None,
) -> Iterator[Failure]:
    """Oldest first, so that the new intents of a cell are in the order of the old ones. `field`: as it was written, its key, or what
    `key_of` knows as its name or alias in the item type.
    """
    for failure in sorted(failures, key=lambda one: one.number):
        own = {one.field_key for one in (failure.spec, failure.meant) if one}
        if field is None or field in own or (failure.spec and key_of(failure.spec, field) in own):
            yield failure
