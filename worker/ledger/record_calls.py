"""New intents, packed for record.lua: as many as one call may have."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

# Per script call, so that none blocks the server for more than a few milliseconds.
RECORD_CHUNK = 500  # items
RECORD_INTENTS = 125
CALL_BYTES = 256 * 1024  # of values and notes per call; a single intent may have more


@dataclass(frozen=True, slots=True)
class NumberedSet:
    """A change set, as a lane counts it. `number`: as long as one of its intents is known, it stays the same."""

    number: str
    name: str


@dataclass(frozen=True, slots=True)
class NewIntent:
    """An intent as the lane records it. Times in unix milliseconds."""

    number: int
    intent_id: str
    digest: str  # of its group
    spec: str  # of its group, JSON
    column: str
    mode: str
    priority: int
    enqueued_at_ms: int
    expires_at_ms: int | None
    keep_every_change: bool
    note: str | None
    items: tuple[int, ...]
    trace: str = ""  # the producer's traceparent
    canceled: bool = False  # canceled before it was recorded
    change_set: NumberedSet | None = None
    producer: str = ""
    place: str = ""  # space, type and user: what one read can cover
    single: str = ""  # whether single updates may write it: '', p, or v: and are read back
    look: str = ""  # letters: `RecordField.LOOK`


def record_calls(intents: Iterable[NewIntent]) -> Iterator[str]:
    """The argument of each call, in order. Small intents share a call; a large one is split into several.

    Each names the last intent of the previous call: if that call fails, for example because memory is full, this one must fail too.
    """
    call = _Call(after="")
    for intent in intents:
        for start in range(0, len(intent.items), RECORD_CHUNK):
            call.add(intent, start)
            if call.is_full:
                yield call.packed()
                call = _Call(after=str(intent.number))
    if call.rows:
        yield call.packed()


class _Call:
    def __init__(self, after: str) -> None:
        self._after = after
        self.rows: list[list[Any]] = []
        self._groups: dict[str, tuple[int, list[str]]] = {}
        self._items = 0
        self._bytes = 0

    def add(self, intent: NewIntent, start: int) -> None:
        chunk = intent.items[start : start + RECORD_CHUNK]
        self.rows.append(
            [
                str(intent.number),
                intent.intent_id,
                self._group(intent),
                str(intent.priority),
                str(intent.enqueued_at_ms),
                str(intent.expires_at_ms or ""),
                intent.keep_every_change,
                intent.note or "",
                str(len(intent.items)),
                ",".join(map(str, intent.items)) if start == 0 else "",
                str(start),
                ",".join(map(str, chunk)),
                intent.trace,
                intent.canceled,
                intent.change_set.number if intent.change_set else "",
                intent.change_set.name if intent.change_set else "",
                intent.producer,
                intent.look,
            ]
        )
        self._items += len(chunk)
        self._bytes += len(intent.note or "")

    def _group(self, intent: NewIntent) -> int:
        if intent.digest not in self._groups:
            place = len(self._groups) + 1
            self._groups[intent.digest] = (
                place,
                [intent.digest, intent.spec, intent.column, intent.mode, intent.place, intent.single],
            )
            self._bytes += len(intent.spec)
        return self._groups[intent.digest][0]

    @property
    def is_full(self) -> bool:
        return self._items >= RECORD_CHUNK or len(self.rows) >= RECORD_INTENTS or self._bytes >= CALL_BYTES

    def packed(self) -> str:
        groups = [group for _, group in self._groups.values()]
        whole = {"after": self._after, "groups": groups, "intents": self.rows}
        return json.dumps(whole, ensure_ascii=False, separators=(",", ":"))
