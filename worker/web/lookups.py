"""What the page reads on request: one intent, one change set with its failures, one work item, and what a search finds.

Field values are in an answer only where the reader asked for them.
"""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, Final

from feishu_batch.change_set import FailedChange
from worker.importing.report_columns import VALUES
from worker.ledger.reads.activity import Activity
from worker.operating.change_sets import known_set
from worker.operating.details import IntentDetail, ItemView, document, intent_detail
from worker.operating.finding import Search, find
from worker.operating.history import change_json, item_history
from worker.operating.intent_specs import PlacedSpec, failures_with_specs
from worker.operating.meanings import Meanings
from worker.operating.session import Session
from worker.operating.undo import keeps_values
from worker.reading.held_now import NO_CREDENTIALS, ChangedSince, Held, is_changed_since, with_values
from worker.remote.compare import ABSENT
from worker.web.places import Places
from worker.web.refusals import OrderRefusedError
from worker.web.shapes import failure_row, intent_row, set_row
from worker.writing.ids import IdError, one_id

LISTED: Final = 20  # items of one state
STATES: Final = 50
FAILURES: Final = 100  # of a change set
CHANGES: Final = 50  # of one work item
LONGEST_TEXT: Final = 500  # characters of a search
Asked = Mapping[str, str]  # the query of a request
Answer = dict[str, Any]


def intent_answer(session: Session, intent_id: str, *, values: bool) -> Answer:
    """One intent, with its items grouped by state."""
    detail = intent_detail(session.reads, intent_id, session.settings.user_key)
    if detail is None:
        raise OrderRefusedError(404, "error.no_intent")
    shown = document(detail, ())
    if shown["group"] and not values:
        shown["group"] = {name: value for name, value in shown["group"].items() if name not in VALUES}
    place = Places(session).place(detail.group)
    states = _states(detail)
    return {
        **shown,
        "field_name": place["field"] if place else None,
        "items": states[:STATES],
        "more_states": max(0, len(states) - STATES),
    }


def _states(detail: IntentDetail) -> list[Answer]:
    together: dict[tuple[Any, ...], list[ItemView]] = {}
    for item in detail.items:
        together.setdefault((item.state, item.code, item.reason, item.batch, item.job), []).append(item)
    names = ("state", "code", "reason", "batch", "job")
    return [
        {**dict(zip(names, key, strict=True)), "count": len(items), "first": [one.item for one in items[:LISTED]]}
        for key, items in together.items()
    ]


def set_answer(session: Session, asked: Asked) -> Answer:
    """A change set with its first failures."""
    found = known_set(session, asked.get("id", "")[:LONGEST_TEXT])
    if found is None:
        raise OrderRefusedError(404, "error.no_set")
    places, values = Places(session), "values" in asked
    first = islice(failures_with_specs(session, found.change_set), FAILURES + 1) if found.progress.failed else ()
    failed = list(first)
    now = (
        _held_now(session, failed[:FAILURES]) if values and found.is_over else {}
    )  # an open one is asked for again and again
    rows = [
        failure_row(one, placed, places.place(placed.spec if placed else None), values=values)
        | now.get((one.item, one.intent_id), {})
        for one, placed in failed[:FAILURES]
    ]
    return {
        **set_row(found),
        "since": found.since,
        "failures": [row for row, (one, _) in zip(rows, failed, strict=False) if not is_changed_since(one)],
        "changed_since": [row for row, (one, _) in zip(rows, failed, strict=False) if is_changed_since(one)],
        "has_more": len(failed) > FAILURES,
        "can_undo": found.is_over and keeps_values(session, found.change_set),
    }


def _held_now(
    session: Session, failed: Sequence[tuple[FailedChange, PlacedSpec | None]]
) -> dict[tuple[int, str], Answer]:
    """(item, intent) → what the cell holds now, or why that is not known, where the change was skipped for it."""
    skipped = [(one, placed) for one, placed in failed if placed and is_changed_since(one)]
    found = with_values(session, [ChangedSince(one.item, placed) for one, placed in skipped])
    return {
        (one.item, one.intent_id): _now(change.now or Held()) for (one, _), change in zip(skipped, found, strict=True)
    }


def _now(held: Held) -> Answer:
    if held.why == NO_CREDENTIALS:
        return {"no_credentials": True}
    return {"not_read": held.why} if held.value is ABSENT else {"now": held.value}


def changes_of(session: Session, asked: Asked) -> Answer:
    """What was done to a work item, newest first."""
    item = _item(asked.get("item", ""))
    names = Meanings(session.redis, session.lane_keys())
    found = list(islice(item_history(session, item, lambda _spec: True), CHANGES + 1))
    hidden = () if "values" in asked else ("value",)
    shown = [
        {name: part for name, part in change_json(one, names).items() if name not in hidden} for one in found[:CHANGES]
    ]
    return {"item": item, "is_cut": len(found) > CHANGES, "changes": shown}


def _item(text: str) -> int:
    if len(text) > LONGEST_TEXT:
        raise OrderRefusedError(400, "error.too_long")
    try:
        return one_id(text)
    except IdError as error:
        raise OrderRefusedError(400, "error.other", why=str(error)) from None


def found_by(session: Session, asked: Asked) -> Answer:
    """`exact`: the text is the id of an intent."""
    text = asked.get("text", "").strip()[:LONGEST_TEXT]
    [entry] = session.reads.entries([text])
    found = find(session, Search(text, _moment(asked.get("since")), _moment(asked.get("until"))))
    activity = Activity(session.redis, session.settings.key_prefix, tuple(session.lanes))
    subjects = activity.subjects({(row.view.lane or "", row.group) for row in found.intents if row.group})
    places = Places(session)
    return {
        "exact": text if entry else None,
        "sets": [set_row(one) for one in found.sets],
        "intents": [
            intent_row(row, places.place(subjects.get((row.view.lane or "", row.group or "")))) for row in found.intents
        ],
        "has_more": found.has_more,
        "is_cut": found.is_cut,
    }


def _moment(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        raise OrderRefusedError(400, "error.bad_order") from None
