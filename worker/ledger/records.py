"""The data types of the ledger: frozen records, batch states and outcomes."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple, Self, TypeVar

from feishu_batch.outcomes import OutcomeKind
from worker.ledger.fields import BatchField
from worker.ledger.routes import BATCH

T = TypeVar("T")


class BatchState(StrEnum):
    """The state of a batch between its claim and the last outcome of its changes."""

    SENDING = "sending"  # recorded; its request may be on its way
    OPEN = "open"  # accepted: a job works on it
    RESEND = "resend"  # certainly not executed: will be sent with a new UUID
    REASK = "reask"  # outcome unknown: will be repeated with the same UUID
    CHECK = "check"  # will be read back from the cells


@dataclass(frozen=True, slots=True)
class Outcome:
    kind: OutcomeKind
    code: str | None = None
    reason: str | None = None

    @classmethod
    def failed(cls, code: str, reason: str) -> Self:
        return cls(OutcomeKind.FAILED, code, reason)

    @classmethod
    def from_detail(cls, detail: str) -> Self:
        content = json.loads(detail)
        return cls.failed(content["code"], content["reason"])

    def detail(self) -> str:
        """The text after the letter in the ledger: empty, or code and reason as JSON."""
        if self.code is None:
            return ""
        return json.dumps({"code": self.code, "reason": self.reason}, ensure_ascii=False, separators=(",", ":"))


SUCCEEDED = Outcome(OutcomeKind.SUCCEEDED)


@dataclass(frozen=True, slots=True)
class GroupSpec:
    """The common part of all changes of a batch: everything except the item."""

    project_key: str
    work_item_type_key: str
    user_key: str | None
    field_key: str
    update_mode: str
    before_field_value: Any
    after_field_value: Any
    keep_before: bool = False
    expected: Sequence[Any] | None = None  # one value: written only where the cell holds it

    @property
    def needs_look(self) -> bool:
        """Its cells are read just before each request."""
        return self.keep_before or self.expected is not None

    @classmethod
    def from_json(cls, text: str) -> Self:
        return cls(**json.loads(text))


@dataclass(frozen=True, slots=True)
class RefusedIntent:
    """An intent that was refused at intake, as its producer wrote it: fields and spaces may be names."""

    spec: GroupSpec
    lane: str | None

    @classmethod
    def from_json(cls, text: str) -> Self:
        content = json.loads(text)
        return cls(GroupSpec(**content["spec"]), content["lane"])


class Cell(NamedTuple):
    """A field of a space, by its number in the lane, of one item."""

    column: int
    item: int

    def __str__(self) -> str:
        return f"{self.column}:{self.item}"


class Part(NamedTuple):
    """A change that a batch holds: its cell, and the number of its intent."""

    cell: Cell
    intent: int

    @classmethod
    def from_text(cls, text: str) -> Self:
        column, item, number = map(int, text.split(":"))
        return cls(Cell(column, item), number)


@dataclass(frozen=True, slots=True)
class Batch:
    """The changes of one request. Times are unix milliseconds of the Redis clock, as in the ledger."""

    number: int
    spec: GroupSpec
    parts: tuple[Part, ...]  # of one column and many items, or of one item and many columns
    kind: str  # why it is sent: new | resend | reask
    idem_uuid: str
    token_fingerprint: str
    tries: int
    first_sent_at_ms: int
    claimed_at_ms: int
    fence: int  # the number of the last send of this batch, among the lane's sends
    more_ready: bool = False
    are_dead: bool = False  # canceled or expired intents must be ended
    awaits_look: bool = False  # changes wait for a look
    fields: dict[str, str] = field(default_factory=dict)
    specs: Mapping[int, GroupSpec] = field(default_factory=dict)  # intent number → what it writes, if they differ

    @property
    def items(self) -> tuple[int, ...]:
        """Each once."""
        return tuple(dict.fromkeys(part.cell.item for part in self.parts))

    @property
    def intents(self) -> tuple[int, ...]:
        """The intent number of each part."""
        return tuple(part.intent for part in self.parts)

    @property
    def cells(self) -> tuple[Cell, ...]:
        return tuple(part.cell for part in self.parts)

    def spec_of(self, part: Part) -> GroupSpec:
        """What this change writes. In a batch, that is the same for all of them."""
        return self.specs.get(part.intent, self.spec)

    @property
    def needs_look(self) -> bool:
        """Whether cells of it are read just before each request."""
        return any(self.spec_of(part).needs_look for part in self.parts)

    @property
    def field_keys(self) -> tuple[str, ...]:
        """Each once, in the order of the parts."""
        return tuple(dict.fromkeys(self.spec_of(part).field_key for part in self.parts))

    def by_cell(self, by_item: Mapping[int, T]) -> dict[Cell, T]:
        """What an answer that names items says of each cell."""
        return {cell: by_item[cell.item] for cell in self.cells if cell.item in by_item}

    @property
    def task_id(self) -> str | None:
        return self.fields.get(BatchField.JOB) or None

    @property
    def polls(self) -> int:
        return self.number_field(BatchField.POLLS)

    def number_field(self, name: str, default: int = 0) -> int:
        """A number of the record; an empty field counts as absent."""
        return int(self.fields.get(name) or default)

    @property
    def route(self) -> str:
        return self.fields.get(BatchField.ROUTE) or BATCH.name

    @classmethod
    def from_description(cls, description: Mapping[str, Any], **extra: Any) -> Self:
        """A single update, from the JSON of _described.lua."""
        known = {group: GroupSpec.from_json(spec) for group, spec in description["specs"].items()}
        specs = {int(number): known[group] for number, group in description["groups"].items()}
        fields = {**description["record"], BatchField.VERIFY: "1" if description["verify"] else ""}
        pairs = [part for pair in fields.items() for part in pair]
        first = specs[Part.from_text(fields[BatchField.PARTS].split(",")[0]).intent]
        return cls._from_record(description["batch"], first, pairs, specs=specs, **extra)

    @classmethod
    def from_answer(cls, number: str, spec: str, pairs: Sequence[str], **extra: Any) -> Self:
        """From the answer of claim.lua and pick.lua: the record as a flat list of names and values."""
        return cls._from_record(number, GroupSpec.from_json(spec), pairs, **extra)

    @classmethod
    def _from_record(cls, number: str, spec: GroupSpec, pairs: Sequence[str], **extra: Any) -> Self:
        fields = dict(zip(pairs[::2], pairs[1::2], strict=True))
        return cls(
            number=int(number),
            spec=spec,
            parts=tuple(map(Part.from_text, fields[BatchField.PARTS].split(","))),
            kind=fields[BatchField.KIND],
            idem_uuid=fields.get(BatchField.IDEM_UUID, ""),
            token_fingerprint=fields.get(BatchField.TOKEN, ""),
            tries=int(fields.get(BatchField.TRIES, 1)),
            first_sent_at_ms=int(fields.get(BatchField.FIRST_SENT_AT_MS, 0)),
            claimed_at_ms=int(fields[BatchField.CLAIMED_AT_MS]),
            fence=int(fields[BatchField.FENCE]),
            fields=fields,
            **extra,
        )


@dataclass(frozen=True, slots=True)
class Recorded:
    """What recording intents made possible."""

    became_ready: bool
    awaits_look: bool


class NoBatchReason(StrEnum):
    """Why there is no batch to send now."""

    PAUSED = "paused"
    HELD = "held"  # another process is sending
    FULL = "full"  # enough jobs are open; they must end first
    IDLE = "idle"
    OFF = "off"  # of the single route


@dataclass(frozen=True, slots=True)
class NoBatch:
    why: NoBatchReason
    retry_after: float | None = None  # seconds, if known
    are_dead: bool = False  # canceled or expired intents must be ended
    awaits_look: bool = False  # changes wait for a look


@dataclass(frozen=True, slots=True)
class EndedPart:
    """The result of ending a bounded part of the changes of canceled and expired intents."""

    intents_ended: int
    became_ready: bool
    more: bool  # further changes are left
    awaits_look: bool = False  # changes wait for a look


@dataclass(frozen=True, slots=True)
class Access:
    """Evidence about a place, a space and a user, that refused access.

    `refusals` in a row; -1: the lane was accepted elsewhere since the first of them. `others`: another place is refused
    too. `worked_here`: the lane's own user was accepted in this place before. `worked_at`: the last other place, or None.
    """

    refusals: int
    others: bool = False
    worked_here: bool = False
    worked_at: str | None = None


@dataclass(frozen=True, slots=True)
class Advanced:
    """The result of a step. `stale`: another process had already moved the batch; nothing was changed."""

    stale: bool
    remaining: int = 0
    intents_ended: int = 0
    became_ready: bool = False
    awaits_look: bool = False  # a change began to wait for a look
    singles_off: bool = False  # the step has switched the single route off


@dataclass(frozen=True, slots=True)
class Look:
    """Cells that one read of one place can prove to hold their value. Closed until the look has ended."""

    claim: int
    times: int  # how often it was handed out
    parts: tuple[Part, ...]
    specs: Mapping[int, GroupSpec]  # intent number → what it writes
    became_ready: bool = False  # other changes, without a look

    @property
    def items(self) -> tuple[int, ...]:
        return tuple(dict.fromkeys(part.cell.item for part in self.parts))

    @property
    def fields(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(self.specs[part.intent].field_key for part in self.parts))

    @property
    def place(self) -> GroupSpec:
        """Any of them: they agree in space, type and user."""
        return self.specs[self.parts[0].intent]


@dataclass(frozen=True, slots=True)
class NoLook:
    """Nothing to read. `more`: changes became ready without a look, and there are more."""

    more: bool
    became_ready: bool


@dataclass(frozen=True, slots=True)
class InboxEntry:
    number: int
    enqueued_at_ms: int
    payload: str
    position: str  # in the stream: `<number>-0` if our script wrote it
    trace: str = ""  # the producer's traceparent
    producer: str = ""  # unless the intent itself names one


@dataclass(frozen=True, slots=True)
class LaneCounts:
    """An overview of a lane, with both routes; the figures are only approximately of one moment."""

    ready_groups: int
    owned_cells: int
    open_jobs: int
    due_batches: int
    checks: int
    sending: bool
    unpublished: int
    single_groups: int = 0  # of these ready ones, and updates in flight
    single_checks: int = 0  # of these checks


@dataclass(frozen=True, slots=True)
class SweepFindings:
    """Work in a lane whose hint may have been lost."""

    counts: LaneCounts
    stopped: bool  # canceled or expired intents that must still be ended
    unpublished: bool  # results that are due to be published
    forget_succeeded: bool  # ended intents whose retention time is over
    forget_failed: bool
    awaits_look: bool
