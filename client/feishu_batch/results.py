"""The state and result of an intent, read from the ledger."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Self, cast

from redis import Redis

from feishu_batch.keys import InboxKeys, IntentKeys, RecordField
from feishu_batch.ledger_format import ask as ask_format
from feishu_batch.ledger_format import refuse_other
from feishu_batch.outcomes import LABELS, SUCCESSES, OutcomeKind

# An intent may leave the inbox between the look at its id and the look into the inbox; once recorded it stays put.
_LOOKS = 3


class IntentState(StrEnum):
    """The state of an intent."""

    QUEUED = "queued"  # in the inbox
    OPEN = "open"  # recorded, not ended
    SUCCEEDED = "succeeded"  # every item applied, unchanged, or superseded by a later change that was applied
    FAILED = "failed"  # no item applied, some failed
    PARTIAL = "partial"  # some items applied, some not
    CANCELED = "canceled"
    EXPIRED = "expired"

    @property
    def is_final(self) -> bool:
        return self not in (IntentState.QUEUED, IntentState.OPEN)


@dataclass(frozen=True, slots=True)
class Progress:
    """The number of items in each state."""

    total: int
    pending: int = 0  # waiting for a request
    in_flight: int = 0  # in a request that is being sent or followed
    succeeded: int = 0
    unchanged: int = 0  # not sent: the cell held the value already
    failed: int = 0
    superseded: int = 0
    canceled: int = 0
    expired: int = 0

    @classmethod
    def sum(cls, several: Iterable[Self]) -> Self:
        added = Counter[str]()
        for one in several:
            added.update(asdict(one))
        return cls(**{"total": 0, **added})

    @property
    def settled(self) -> int:
        return sum(getattr(self, label) for label in LABELS)

    def counts(self) -> dict[str, int]:
        """The settled items by outcome, without zeros other than those of `succeeded` and `failed`."""
        counts = asdict(self)
        always = ("succeeded", "failed")
        return {name: counts[name] for name in LABELS if counts[name] or name in always}

    def state(self) -> IntentState:
        if self.pending or self.in_flight:
            return IntentState.OPEN
        bad = [kind for kind in OutcomeKind if not kind.is_success and getattr(self, kind.label)]
        if not bad:
            return IntentState.SUCCEEDED
        is_mixed = any(getattr(self, label) for label in SUCCESSES)
        return (
            IntentState.PARTIAL if is_mixed else IntentState(bad[0].label)
        )  # a failure tells more than a cancellation


@dataclass(frozen=True, slots=True)
class Result:
    """The result of an intent that has ended. Times are ISO, UTC."""

    intent_id: str
    state: IntentState
    counts: dict[str, int]
    failed: dict[str, dict[str, Any]]  # item id → {"code", "reason"}
    requests: int
    enqueued_at: str | None
    completed_at: str | None

    @property
    def ok(self) -> bool:
        """Every item has the requested value, or the value of a later intent."""
        return self.state is IntentState.SUCCEEDED

    def to_dict(self) -> dict[str, Any]:
        """JSON, as the Celery task returns it."""
        return {**asdict(self), "state": self.state.value}


@dataclass(frozen=True, slots=True)
class IntentView:
    """An intent at one moment: all parts are consistent."""

    intent_id: str
    number: int
    lane: str | None  # None: still in the inbox
    state: IntentState
    progress: Progress
    result: Result | None  # None: not ended


def read_intent(redis: Redis, prefix: str, intent_id: str) -> IntentView | None:
    """Takes two round trips. Raises `LedgerFormatError`. None: no such intent, or its record has expired. The client may decode responses or not."""
    inbox = InboxKeys(prefix)
    for _ in range(_LOOKS):
        entry = _entry(redis, inbox, intent_id)
        if entry is None:
            return None
        number, lane = entry_of(entry)
        if lane is not None:
            return read_recorded(redis, IntentKeys(prefix, lane, number), intent_id)
        if queued := _read_queued(redis, inbox.inbox, intent_id, number):
            return queued
    return queued_view(intent_id, number, total=0)


def _entry(redis: Redis, inbox: InboxKeys, intent_id: str) -> str | None:
    pipe: Any = redis.pipeline(transaction=False)
    pipe.hget(inbox.ids, intent_id)
    ask_format(pipe, inbox)
    entry, *format_reply = pipe.execute()
    refuse_other(inbox.prefix, format_reply)
    return _text(entry)


def view_of_record(
    intent_id: str, keys: IntentKeys, record: Mapping[str, str], outcomes: Mapping[str, str]
) -> IntentView:
    """From the fields of the intent's record and outcomes, both decoded."""
    progress = _progress(record)
    state = progress.state()
    result = _result(intent_id, record, outcomes, progress) if state.is_final else None
    return IntentView(intent_id, keys.number, keys.lane, state, progress, result)


def queued_view(intent_id: str, number: int, total: int) -> IntentView:
    return IntentView(intent_id, number, None, IntentState.QUEUED, Progress(total, pending=total), None)


def read_recorded(redis: Redis, keys: IntentKeys, intent_id: str) -> IntentView | None:
    """The record in its lane, which may be newer than the inbox entry. None: the record has expired."""
    with redis.pipeline(transaction=True) as transaction:  # one transaction, so that counts and outcomes agree
        transaction.hgetall(keys.record)
        transaction.hgetall(keys.outcomes)
        record, outcomes = (_texts(reply) for reply in transaction.execute())
    return view_of_record(intent_id, keys, record, outcomes) if record else None


def _read_queued(redis: Redis, inbox: str, intent_id: str, number: int) -> IntentView | None:
    position = f"{number}-0"
    entries = cast("list[tuple[Any, Mapping[Any, Any]]]", redis.xrange(inbox, position, position))
    if not entries:
        return None
    content = json.loads(_texts(entries[0][1])["i"])
    return queued_view(intent_id, number, len(content["work_item_ids"]))


def _progress(record: Mapping[str, str]) -> Progress:
    def count(field: str) -> int:
        return int(record.get(field) or 0)

    total, in_flight = count(RecordField.TOTAL), count(RecordField.IN_FLIGHT)
    if RecordField.REFUSED in record:
        return Progress(total, failed=total)
    settled = Progress(total, **{kind.label: count(kind.field) for kind in OutcomeKind})
    still_open = count(RecordField.OPEN)
    if count(RecordField.RECORDED) < total and RecordField.RECORDED in record:
        still_open = max(still_open, total - settled.settled)  # a large intent is recorded in several steps
    return replace(settled, pending=still_open - in_flight, in_flight=in_flight)


def _result(intent_id: str, record: Mapping[str, str], outcomes: Mapping[str, str], progress: Progress) -> Result:
    return Result(
        intent_id=intent_id,
        state=progress.state(),
        counts=progress.counts(),
        failed=failed_items(record, outcomes),
        requests=int(record.get(RecordField.REQUESTS) or 0),
        enqueued_at=_iso(record.get(RecordField.ENQUEUED_AT_MS)),
        completed_at=_iso(record.get(RecordField.COMPLETED_AT_MS)),
    )


def failed_items(record: Mapping[str, str], outcomes: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Item id → code and reason, of an intent in any state."""
    if refused := record.get(RecordField.REFUSED):
        reason = _reason(refused)
        return {item: reason for item in record.get(RecordField.ITEMS, "").split(",") if item}
    failed = OutcomeKind.FAILED
    return {item: _reason(outcome[1:]) for item, outcome in outcomes.items() if outcome.startswith(failed)}


def _reason(text: str) -> dict[str, Any]:
    why = json.loads(text) if text else {}
    return {"code": why.get("code"), "reason": why.get("reason")}


def _iso(milliseconds: str | None) -> str | None:
    if not milliseconds:
        return None
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC).isoformat(timespec="milliseconds")


def entry_of(entry: str) -> tuple[int, str | None]:
    """(number, lane or None while it is in the inbox), from the hash of intent ids."""
    number, _digest, *lane = entry.split(":", 2)
    return int(number), lane[0] if lane else None


def _texts(reply: Any) -> dict[str, str]:
    return {str(_text(field)): str(_text(value)) for field, value in reply.items()}


def _text(value: Any) -> str | None:
    return value.decode() if isinstance(value, bytes) else value
