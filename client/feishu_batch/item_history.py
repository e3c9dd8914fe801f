"""What was done to one work item: every change of one of its fields that the ledger still has, newest first."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from redis import Redis

from feishu_batch.errors import IntentError
from feishu_batch.intents import UpdateIntent, parse_intent
from feishu_batch.item_log import ItemLog
from feishu_batch.keys import (
    DEFAULT_LANE,
    InboxKeys,
    IntentKeys,
    RecordField,
    SetField,
    behind_key,
    cells_key,
    group_key,
    lane_head,
    set_counts_key,
    shared_key,
    under_key,
)
from feishu_batch.ledger_format import ask as ask_format
from feishu_batch.ledger_format import refuse_other
from feishu_batch.outcomes import OutcomeKind
from feishu_batch.results import failed_items
from feishu_batch.written import untagged

MOST_CHANGES: Final = 50
OPEN: Final = "open"
_PAGE: Final = 500
LABEL_OF: Final = {str(kind): kind.label for kind in OutcomeKind}


@dataclass(frozen=True, slots=True)
class PastChange:
    """`field`: as the workers sent it, by its key; as it was written where it was refused, or is still in the inbox. `state`: open, or a
    name of `Result.counts`. `enqueued_at`: unix seconds; None: still in the inbox.
    """

    intent_id: str
    number: int
    project_key: str
    work_item_type_key: str
    field: str
    update_mode: str
    value: Any
    state: str
    code: str | None
    reason: str | None
    note: str | None
    change_set: str | None
    producer: str | None
    enqueued_at: float | None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def read_history(redis: Redis, prefix: str, item: int, field: str | None, limit: int) -> list[PastChange]:
    """`field`: None: of every field. An intent that cannot be read (of another version, a damaged record) is left out. Raises `LedgerFormatError`."""
    inbox = InboxKeys(prefix)
    pipe: Any = redis.pipeline(transaction=False)
    ask_format(pipe, inbox)
    pipe.hkeys(inbox.remotes)
    *format_reply, lanes = pipe.execute()
    refuse_other(inbox.prefix, format_reply)
    waiting = list(_in_inbox(redis, inbox, item))  # first: what leaves the inbox meanwhile is found in its lane
    log = ItemLog(redis)
    places = [
        IntentKeys(prefix, lane, number)
        for lane in {DEFAULT_LANE, *map(str, lanes)}
        for number in log.numbers(lane_head(prefix, lane), item)
    ]
    known = {place.number for place in places}
    found = [one for one in waiting if one.number not in known and field in (None, one.field)]
    for place in sorted(places, key=lambda one: one.number, reverse=True):
        if len(found) >= limit:
            break
        if (change := _recorded(redis, place, item)) and field in (None, change.field):
            found.append(change)
    return sorted(found, key=lambda one: one.number, reverse=True)[:limit]


def _in_inbox(redis: Any, inbox: InboxKeys, item: int) -> Iterator[PastChange]:
    start: str = "-"
    while entries := redis.xrange(inbox.inbox, start, "+", count=_PAGE):
        for position, entry in entries:
            payload = entry["i"]
            if str(item) in payload and (intent := _readable(payload)) and item in intent.work_item_ids:
                yield change_in_inbox(intent, int(position.partition("-")[0]))
        start = f"({entries[-1][0]}"


def _readable(payload: str) -> UpdateIntent | None:
    try:
        return parse_intent(payload)
    except IntentError:  # of another version of the library: intake will refuse it
        return None


def change_in_inbox(intent: UpdateIntent, number: int) -> PastChange:
    return PastChange(
        intent.intent_id,
        number,
        intent.project_key,
        intent.work_item_type_key,
        intent.field_key,
        str(intent.update_mode),
        untagged(intent.after_field_value),
        OPEN,
        None,
        None,
        intent.note,
        intent.change_set,
        intent.producer,
        None,
    )


def _recorded(redis: Any, place: IntentKeys, item: int) -> PastChange | None:
    record: dict[str, str] = redis.hgetall(place.record)
    group = record.get(RecordField.GROUP)
    if group:
        text, column = redis.hmget(group_key(place.prefix, place.lane, group), "spec", "col")
        spec = json.loads(text) if text else None
    else:
        spec, column = json.loads(record.get(RecordField.AS_WRITTEN) or "{}").get("spec"), None
    if not spec:  # forgotten meanwhile
        return None
    # Where it stands before its outcome: a change that settles in between then shows its outcome, and never wrongly a success.
    stands = bool(column) and int(record.get(RecordField.OPEN) or 0) > 0 and _stands(redis, place, column, item)
    outcome: str = redis.hget(place.outcomes, str(item)) or (OPEN if stands else OutcomeKind.SUCCEEDED)
    if RecordField.REFUSED in record:
        outcome = OutcomeKind.FAILED
    why = failed_items(record, {str(item): outcome}).get(str(item), {})
    number = record.get(RecordField.CHANGE_SET)
    name = redis.hget(set_counts_key(place.prefix, place.lane, number), SetField.NAME) if number else None
    return PastChange(
        record[RecordField.INTENT_ID],
        place.number,
        spec["project_key"],
        spec["work_item_type_key"],
        spec["field_key"],
        spec["update_mode"],
        untagged(spec["after_field_value"]),
        OPEN if outcome == OPEN else LABEL_OF[outcome[0]],
        why.get("code"),
        why.get("reason"),
        record.get(RecordField.NOTE),
        name,
        record.get(RecordField.PRODUCER),
        int(record[RecordField.ENQUEUED_AT_MS]) / 1000,
    )


def _stands(redis: Any, place: IntentKeys, column: str, item: int) -> bool:
    """Whether the intent's change of this cell has not ended: it owns the cell, stands in its line, shares a change there, gave way to
    one, or is not recorded yet.
    """
    cell, number = f"{column}:{item}", str(place.number)
    pipe: Any = redis.pipeline(transaction=False)
    pipe.hmget(place.record, RecordField.ITEMS, RecordField.RECORDED)
    pipe.hget(cells_key(place.prefix, place.lane), cell)
    pipe.lrange(behind_key(place.prefix, place.lane, cell), 0, -1)
    (items, recorded), owner, line = pipe.execute()
    if recorded and str(item) in (items or "").split(",")[int(recorded) :]:
        return True
    holders = [*([owner.partition("@")[0]] if owner else []), *line]
    return number in holders or _shares_or_gave_way(redis, place, cell, number, holders)


def _shares_or_gave_way(redis: Any, place: IntentKeys, cell: str, number: str, holders: Sequence[str]) -> bool:
    if not holders:
        return False
    prefix, lane = place.prefix, place.lane
    replacement = next((holder for holder in holders if int(holder) > int(number)), None)
    older = replacement and redis.zrange(
        under_key(prefix, lane, f"{replacement}:{cell}"), number, "-inf", byscore=True, desc=True, offset=0, num=1
    )
    if older == [number]:
        return True
    names = [f"{holder}:{cell}" for holder in (*holders, *(older or ()))]
    return any(number in (sharers or "").split(",") for sharers in redis.hmget(shared_key(prefix, lane), names))
