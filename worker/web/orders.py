"""What the page can order: the code of the commands. Each answers with a key of the page's words and the values in it."""

from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field

from worker.operating.canceling import Wanted, cancel_intent, cancel_intents
from worker.operating.change_sets import ids_of
from worker.operating.retry.decision import RetryDecision
from worker.operating.retry.operation import (
    Selection,
    enqueue_again,
    retried_items,
    retry_decisions,
    skipped_items,
)
from worker.operating.session import Session
from worker.operating.undo import enqueue_undo, undo_plan
from worker.web.refusals import OrderRefusedError

LISTED: Final = 20  # intents of a retry
PAUSED_HERE: Final = "paused on the status page"  # the page says it in its own language
Id = Annotated[str, Field(min_length=1, max_length=64)]
Answer = dict[str, Any]
Work = Callable[[Session, Any], Answer]


class Order(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PauseOrder(Order):
    lane: Id
    reason: Annotated[str, Field(min_length=1, max_length=200)] = PAUSED_HERE


class ResumeOrder(Order):
    lane: Id


class CancelOrder(Order):
    """One intent, or all of a change set."""

    intent: Id | None = None
    change_set: Id | None = None


class RetryOrder(Order):
    """`confirmed`: the digest of the plan that the user saw; without it, nothing is enqueued."""

    intent: Id | None = None
    change_set: Id | None = None
    code: Annotated[str, Field(max_length=200)] | None = None
    lane: Id | None = None
    since_at: float | None = None
    confirmed: str | None = None


class UndoOrder(Order):
    """`confirmed` as of a retry."""

    change_set: Id
    confirmed: str | None = None


def pause(session: Session, order: PauseOrder) -> Answer:
    for lane in session.chosen_lanes(order.lane):
        lane.pause(order.reason, polling=True)
    return {"done": "done.paused", "lane": order.lane}


def resume(session: Session, order: ResumeOrder) -> Answer:
    resumed = [lane.resume() for lane in session.chosen_lanes(order.lane)]
    return {"done": "done.resumed" if any(resumed) else "done.not_paused", "lane": order.lane}


def cancel(session: Session, order: CancelOrder) -> Answer:
    if order.change_set and order.intent:
        raise OrderRefusedError(400, "error.one_of_both")
    if order.change_set:
        tally = cancel_intents(session, map(Wanted, ids_of(session, order.change_set)))
        counts = {"items": tally.items, "intents": tally.intents, "in_flight": tally.in_flight}
        return {"done": "done.set_canceled", **counts}
    if not order.intent:
        raise OrderRefusedError(400, "error.which")
    done = cancel_intent(session, order.intent)
    if done.ended:
        return {"done": "done.had_ended", "state": done.ended.value}
    return {"done": "done.canceled", "items": done.items, "in_flight": done.in_flight}


def retry(session: Session, order: RetryOrder) -> Answer:
    """Shows the plan of a dry run; enqueues exactly that plan once the user has confirmed it."""
    intents = (order.intent,) if order.intent else ()
    if intents and order.change_set:
        raise OrderRefusedError(400, "error.one_of_both")
    if not (intents or order.change_set or order.code):
        raise OrderRefusedError(400, "error.which_failures")
    wanted = Selection(intents, order.code, None, order.since_at, order.lane, change_set=order.change_set)
    decisions = retry_decisions(session, wanted)
    shown = _plan(decisions)
    if order.confirmed is None:
        return shown
    if order.confirmed != shown["digest"]:
        return {**shown, "changed": True}
    done = _plan(enqueue_again(session, decisions))
    if not done["items"]:  # another user was faster
        return {"done": "done.nothing_retried", "skipped": [one["why"] for one in done["skipped"]]}
    return {"done": "done.retried", "items": done["items"], "intents": done["intents"]}


def undo(session: Session, order: UndoOrder) -> Answer:
    """Like a retry: shows what would be put back, and enqueues exactly that once the user has confirmed it."""
    plan = undo_plan(session, order.change_set)
    content = plan.undo_set + repr([(one.lane, one.spec, one.before, one.expected, one.items) for one in plan.put_back])
    shown = {
        "values": plan.values,
        "waiting": len({one.cell for one in plan.waiting}),
        "waiting_first": list(dict.fromkeys(one.note or one.intent_id for one in plan.waiting))[:LISTED],
        "before": plan.earlier.change_set if plan.earlier else None,
        "is_again": plan.is_again,
        "skipped": [{"why": why.name.lower(), "values": count} for why, count in plan.reasons()],
        "untouched": plan.untouched,
        "forgotten": plan.forgotten,
        "digest": blake2b(content.encode(), digest_size=16).hexdigest(),
    }
    if order.confirmed is None:
        return shown
    if order.confirmed != shown["digest"]:
        return {**shown, "changed": True}
    intents, known = enqueue_undo(session, plan)
    if known == len(intents):
        return {"done": "done.undone_before", "values": plan.values, "set": plan.undo_set}
    return {"done": "done.undone", "values": plan.values, "set": plan.undo_set}


def _plan(decisions: Sequence[RetryDecision]) -> Answer:
    todo = [one for one in decisions if one.items]
    content = repr([(one.failure.lane, one.failure.number, one.items) for one in todo])
    return {
        "items": retried_items(decisions),
        "intents": len(todo),
        "first": [{"intent": one.failure.intent_id, "items": len(one.items)} for one in todo[:LISTED]],
        "skipped": [{"why": why.name.lower(), "items": len(items)} for why, items in skipped_items(decisions).items()],
        "digest": blake2b(content.encode(), digest_size=16).hexdigest(),
    }


ORDERS: Final[dict[str, tuple[type[Order], Work]]] = {
    "pause": (PauseOrder, pause),
    "resume": (ResumeOrder, resume),
    "cancel": (CancelOrder, cancel),
    "retry": (RetryOrder, retry),
    "undo": (UndoOrder, undo),
}
