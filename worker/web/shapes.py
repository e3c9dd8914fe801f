"""The JSON of the rows that the page lists."""

from dataclasses import asdict
from typing import Any, Final

from feishu_batch.change_set import FailedChange, SetCounts
from feishu_batch.written import untagged
from worker.ledger.reads.activity import IntentRow, OpenBatch
from worker.operating.intent_specs import PlacedSpec
from worker.web.places import Place

LONGEST_TEXT: Final = 300  # characters of a text from the remote system or a producer
Row = dict[str, Any]  # JSON; `what`: a `Place`, or None


def intent_row(row: IntentRow, what: Place | None) -> Row:
    progress = {name: count for name, count in asdict(row.view.progress).items() if count}
    return {
        "id": row.view.intent_id,
        "lane": row.view.lane,
        "state": row.view.state.value,
        "note": cut(row.note),
        "what": what,
        "enqueued_at": rounded(row.enqueued_at),
        "ended_at": rounded(row.ended_at),
        "is_retried": row.is_retried,
        **progress,
    }


def set_row(found: SetCounts) -> Row:
    """Counts of nothing are left out: a row is sent whenever one of them changes."""
    counts = {name: count for name, count in asdict(found.progress).items() if count}
    return {
        "id": found.change_set,
        "state": found.state.value,
        "note": cut(found.note),
        "producer": found.producer,
        "intents": found.intents,
        "ended": found.ended,
        "grew_at": round(found.grew_at),
        **counts,
    }


def failure_row(failed: FailedChange, placed: PlacedSpec | None, what: Place | None, *, values: bool) -> Row:
    value = {"value": untagged(placed.spec.after_field_value)} if values and placed else {}
    return {
        "item": failed.item,
        "lane": placed.lane if placed else None,
        "what": what or ({"field": failed.field} if failed.field else None),
        "code": failed.code,
        "reason": cut(failed.reason),
        "intent": failed.intent_id,
        **value,
    }


def job_row(lane: str, one: OpenBatch, what: Place | None) -> Row:
    return {
        "lane": lane,
        "batch": one.number,
        "state": one.state,
        "items": one.items,
        "size": one.size,
        "claimed_at": rounded(one.claimed_at),
        "next_at": rounded(one.next_at),
        "tries": one.tries,
        "polls": one.polls,
        "job": one.job,
        "why": cut(one.why),
        "what": what,
    }


def batch_row(batch: Row, what: Place | None) -> Row:
    return {
        "batch": batch["batch"],
        "size": batch["size"],
        "failed": batch["failed"],
        "took": round(batch["settled_at"] - batch["claimed_at"], 1),
        "at": rounded(batch["settled_at"]),
        "tries": batch["tries"],
        "what": what,
    }


def ago(now: float, seconds: float | None) -> float | None:
    return None if seconds is None else round(now - seconds, 1)


def rounded(moment: float | None) -> float | None:
    return None if moment is None else round(moment, 1)


def cut(text: str | None, longest: int = LONGEST_TEXT) -> str | None:
    return text if text is None or len(text) <= longest else text[: longest - 1] + "…"
