"""What the ledger hands out: frozen records, and the words for a batch's state and a change's outcome."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self


class BatchState(StrEnum):
    """Where a batch stands between its claim and the last outcome of its changes."""

    SENDING = "sending"  # written down; its request may be on its way
    OPEN = "open"  # accepted: a job works on it
    RESEND = "resend"  # certainly not executed: to be sent with a fresh UUID
    REASK = "reask"  # outcome unknown: to be asked again with the same UUID
    CHECK = "check"  # the cells tell: to be read back


class OutcomeKind(StrEnum):
    """What became of a change. The letter is what the ledger stores."""

    SUCCEEDED = "o"
    FAILED = "f"
    SUPERSEDED = "s"
    CANCELED = "c"
    EXPIRED = "e"


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
        """What stands behind the letter in the ledger: nothing, or code and reason as JSON."""
        if self.code is None:
            return ""
        return json.dumps({"code": self.code, "reason": self.reason}, ensure_ascii=False, separators=(",", ":"))


SUCCEEDED = Outcome(OutcomeKind.SUCCEEDED)


@dataclass(frozen=True, slots=True)
class GroupSpec:
    """What all changes of a batch agree in: everything but the item."""

    project_key: str
    work_item_type_key: str
    user_key: str | None
    field_key: str
    update_mode: str
    before_field_value: Any
    after_field_value: Any

    @classmethod
    def from_json(cls, text: str) -> Self:
        return cls(**json.loads(text))


@dataclass(frozen=True, slots=True)
class Wish:
    """What an intent that was refused at intake wished, as its producer wrote it: fields and spaces may be names."""

    spec: GroupSpec
    lane: str | None

    @classmethod
    def from_json(cls, text: str) -> Self:
        content = json.loads(text)
        return cls(GroupSpec(**content["spec"]), content["lane"])


@dataclass(frozen=True, slots=True)
class Batch:
    """One request's worth of changes. Times are unix milliseconds of the Redis clock, as the ledger holds them."""

    number: int
    spec: GroupSpec
    items: tuple[int, ...]
    intents: tuple[int, ...]  # the intent number of each item
    kind: str  # how it came to be sent: new | resend | reask
    idem_uuid: str
    token_fingerprint: str
    tries: int
    first_sent_at_ms: int
    claimed_at_ms: int
    fence: int  # of the lane's sends: the number of the last one of this batch
    more_ready: bool = False
    are_dead: bool = False  # canceled or expired intents are to be ended
    fields: dict[str, str] = field(default_factory=dict)

    @property
    def task_id(self) -> str | None:
        return self.fields.get("task") or None

    @property
    def polls(self) -> int:
        return self.number_field("polls")

    def number_field(self, name: str, default: int = 0) -> int:
        """A number of the record; an empty field counts as absent."""
        return int(self.fields.get(name) or default)

    @classmethod
    def from_answer(cls, number: str, spec: str, pairs: Sequence[str], **extra: Any) -> Self:
        """From what claim.lua and pick.lua return: the record as a flat list of names and values."""
        fields = dict(zip(pairs[::2], pairs[1::2], strict=True))
        changes = [entry.split(":") for entry in fields["items"].split(",")]
        return cls(
            number=int(number),
            spec=GroupSpec.from_json(spec),
            items=tuple(int(item) for item, _ in changes),
            intents=tuple(int(intent) for _, intent in changes),
            kind=fields["kind"],
            idem_uuid=fields.get("idem", ""),
            token_fingerprint=fields.get("token", ""),
            tries=int(fields.get("tries", 1)),
            first_sent_at_ms=int(fields.get("first", 0)),
            claimed_at_ms=int(fields["at"]),
            fence=int(fields["fence"]),
            fields=fields,
            **extra,
        )


class Standstill(StrEnum):
    """Why there is no batch to send now."""

    PAUSED = "paused"
    HELD = "held"  # somebody else is sending
    FULL = "full"  # enough jobs are open; they have to be followed first
    IDLE = "idle"
    AGAIN = "again"  # what was ready of a group was canceled or expired: it is ended, and the claim can be repeated


@dataclass(frozen=True, slots=True)
class NoBatch:
    why: Standstill
    retry_after: float | None = None  # seconds, where the ledger knows


@dataclass(frozen=True, slots=True)
class EndedPart:
    """A bounded part of what canceled and expired intents leave to be ended."""

    intents_ended: int
    became_ready: bool
    more: bool  # some is left


@dataclass(frozen=True, slots=True)
class Access:
    """Evidence about a place, a space and a user, that refused access.

    `refusals` in a row; -1: the lane was accepted elsewhere since the first of them. `others`: another place is refused as
    well. `worked_here`: the lane's own user was accepted in this very place before. `worked_at`: the last other one, or None.
    """

    refusals: int
    others: bool = False
    worked_here: bool = False
    worked_at: str | None = None


@dataclass(frozen=True, slots=True)
class Advanced:
    """What a step did. `stale`: somebody else moved the batch before; nothing was changed."""

    stale: bool
    remaining: int = 0
    intents_ended: int = 0
    became_ready: bool = False


@dataclass(frozen=True, slots=True)
class InboxEntry:
    number: int
    enqueued_at_ms: int
    payload: str
    position: str  # in the stream: `<number>-0` if our script wrote it
    trace: str = ""  # the producer's traceparent


@dataclass(frozen=True, slots=True)
class LaneCounts:
    """A lane at a glance; every figure is of one moment only approximately."""

    ready_groups: int
    owned_cells: int
    open_jobs: int
    due_batches: int
    checks: int
    sending: bool
    unpublished: int


@dataclass(frozen=True, slots=True)
class Look:
    """What there is to do in a lane that no hint may have told of."""

    counts: LaneCounts
    stopped: bool  # intents that were canceled or have expired, and are still to be ended
    unpublished: bool  # ends that are due to be made known
    forget_succeeded: bool  # ended intents that were kept long enough
    forget_failed: bool
