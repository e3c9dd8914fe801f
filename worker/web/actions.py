"""The actions of the page, and its look-ups of single intents: the code of the commands behind HTTP."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice
from typing import Annotated, Any, Final, TypeVar

import anyio
import structlog
from anyio.to_thread import run_sync
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from feishu_batch.errors import FeishuBatchError
from worker.operating.canceling import Wanted, cancel_intent, cancel_intents
from worker.operating.change_sets import ids_of
from worker.operating.details import IntentDetail, ItemView, document, intent_detail
from worker.operating.errors import OperatingError, UnreachableError, WrongUseError
from worker.operating.history import change_json, item_history
from worker.operating.meanings import Meanings
from worker.operating.retry.decision import RetryDecision
from worker.operating.retry.operation import (
    Selection,
    enqueue_again,
    retried_items,
    retry_decisions,
    skipped_items,
)
from worker.operating.session import Session
from worker.web.guard import refused
from worker.wording import some
from worker.writing.ids import IdError, one_id

log = structlog.get_logger("feishu_batch.web")

LARGEST_BODY: Final = 16_384  # bytes
LISTED: Final = 20  # items of one state, and intents of a retry
STATES: Final = 50
LONGEST_LINK: Final = 500  # characters
CHANGES: Final = 50  # of one work item
VALUES: Final = ("before_field_value", "after_field_value")
Model = TypeVar("Model", bound="Order")
Id = Annotated[str, Field(min_length=1, max_length=64)]
Work = Callable[[Session, Any], dict[str, Any]]


class Order(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PauseOrder(Order):
    lane: Id
    reason: Annotated[str, Field(min_length=1, max_length=200)] = "paused on the status page"


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


def pause(session: Session, order: PauseOrder) -> dict[str, Any]:
    for lane in session.chosen_lanes(order.lane):
        lane.pause(order.reason, polling=True)
    return {"message": f"Lane {order.lane} is paused. Jobs that were already accepted are tracked to completion."}


def resume(session: Session, order: ResumeOrder) -> dict[str, Any]:
    resumed = [lane.resume() for lane in session.chosen_lanes(order.lane)]
    return {"message": f"Lane {order.lane} {'continues' if any(resumed) else 'was not paused'}."}


def cancel(session: Session, order: CancelOrder) -> dict[str, Any]:
    if order.change_set and order.intent:
        raise WrongUseError("Give an intent or a change set, not both.")
    if order.change_set:
        tally = cancel_intents(session, map(Wanted, ids_of(session, order.change_set)))
        of = some(tally.intents, "intent")
        return {
            "message": f"{some(tally.items, 'item')} of {of} canceled; {tally.in_flight} already in a request and not affected."
        }
    if not order.intent:
        raise WrongUseError("Give an intent, or a change set.")
    done = cancel_intent(session, order.intent)
    if done.ended:
        return {"message": f"The intent had already ended: {done.ended}."}
    return {"message": f"{some(done.items, 'item')} canceled; {done.in_flight} already in a request and not affected."}


def retry(session: Session, order: RetryOrder) -> dict[str, Any]:
    """Shows the plan of a dry run; enqueues exactly that plan once the user has confirmed it."""
    intents = (order.intent,) if order.intent else ()
    if intents and order.change_set:
        raise WrongUseError("Give an intent or a change set, not both.")
    if not (intents or order.change_set or order.code):
        raise WrongUseError("Give an intent, a change set, or a reason.")
    wanted = Selection(intents, order.code, None, order.since_at, order.lane, change_set=order.change_set)
    decisions = retry_decisions(session, wanted)
    shown = _plan(decisions)
    if order.confirmed is None:
        return shown
    if order.confirmed != shown["digest"]:
        return {**shown, "changed": True}
    done = _plan(enqueue_again(session, decisions))
    if not done["items"]:  # another user was faster
        why = "; ".join(one["why"] for one in done["skipped"]) or "no item can be retried any more"
        return {"message": f"Nothing was enqueued: {why}."}
    what = f"{some(done['items'], 'item')} of {some(done['intents'], 'intent')}"
    return {"message": f"{what} {'was' if done['items'] == 1 else 'were'} enqueued again."}


def _plan(decisions: Sequence[RetryDecision]) -> dict[str, Any]:
    todo = [one for one in decisions if one.items]
    content = repr([(one.failure.lane, one.failure.number, one.items) for one in todo])
    return {
        "items": retried_items(decisions),
        "intents": len(todo),
        "first": [{"intent": one.failure.intent_id, "items": len(one.items)} for one in todo[:LISTED]],
        "skipped": [{"why": str(why), "items": len(items)} for why, items in skipped_items(decisions).items()],
        "digest": blake2b(content.encode(), digest_size=16).hexdigest(),
    }


def look_up(session: Session, intent_id: str, *, values: bool) -> dict[str, Any] | None:
    """One intent, with its items grouped by state. Includes field values only if `values`."""
    detail = intent_detail(session.reads, intent_id, session.settings.user_key)
    if detail is None:
        return None
    shown = document(detail, ())
    if shown["group"] and not values:
        shown["group"] = {name: value for name, value in shown["group"].items() if name not in VALUES}
    states = _states(detail)
    return {**shown, "items": states[:STATES], "more_states": max(0, len(states) - STATES)}


def changes_of(session: Session, text: str, *, values: bool) -> dict[str, Any]:
    """What was done to a work item, newest first. Includes field values only if `values`."""
    if len(text) > LONGEST_LINK:
        raise WrongUseError("This is no work item's id or link: it is too long.")
    try:
        item = one_id(text)
    except IdError as error:
        raise WrongUseError(str(error)) from None
    names = Meanings(session.redis, session.lane_keys())
    found = list(islice(item_history(session, item, lambda _spec: True), CHANGES + 1))
    hidden = () if values else ("value",)
    shown = [
        {name: part for name, part in change_json(one, names).items() if name not in hidden} for one in found[:CHANGES]
    ]
    return {"item": item, "is_cut": len(found) > CHANGES, "changes": shown}


def _states(detail: IntentDetail) -> list[dict[str, Any]]:
    together: dict[tuple[Any, ...], list[ItemView]] = {}
    for item in detail.items:
        together.setdefault((item.state, item.code, item.reason, item.batch, item.job), []).append(item)
    names = ("state", "code", "reason", "batch", "job")
    return [
        {**dict(zip(names, key, strict=True)), "count": len(items), "first": [one.item for one in items[:LISTED]]}
        for key, items in together.items()
    ]


ORDERS: Final[dict[str, tuple[type[Order], Work]]] = {
    "pause": (PauseOrder, pause),
    "resume": (ResumeOrder, resume),
    "cancel": (CancelOrder, cancel),
    "retry": (RetryOrder, retry),
}


@dataclass(frozen=True, slots=True)
class Actions:
    session: Session
    read_only: bool

    def routes(self) -> list[Route]:
        few = anyio.CapacityLimiter(4)  # a retry may read for a while
        acting = [
            Route(f"/api/{name}", self._endpoint(name, model, work, few), methods=["POST"])
            for name, (model, work) in ORDERS.items()
        ]
        return [*acting, Route("/api/intents/{intent}", self._intent(few)), Route("/api/history", self._history(few))]

    def _endpoint(
        self, name: str, model: type[Order], work: Work, few: anyio.CapacityLimiter
    ) -> Callable[[Request], Awaitable[Response]]:
        async def act(request: Request) -> Response:
            if self.read_only:
                return refused(403, "This page is read-only: FEISHU_BATCH_DASHBOARD_READ_ONLY is set.")
            order = await parsed(request, model)
            if order is None:
                return refused(400, "The request is not valid: reload the page.")
            answer = await _answered(lambda: work(self.session, order), few)
            client = request.client.host if request.client else ""
            asked = order.model_dump(exclude_none=True)
            ids = {"intent_id": asked.pop("intent")} if "intent" in asked else {}
            log.info("page.order", order=name, **ids, **asked, status=answer.status_code, by=client)
            return answer

        return act

    def _intent(self, few: anyio.CapacityLimiter) -> Callable[[Request], Awaitable[Response]]:
        async def show(request: Request) -> Response:
            intent_id, values = request.path_params["intent"], "values" in request.query_params
            return await _answered(lambda: look_up(self.session, intent_id, values=values), few)

        return show

    def _history(self, few: anyio.CapacityLimiter) -> Callable[[Request], Awaitable[Response]]:
        async def show(request: Request) -> Response:
            item, values = request.query_params.get("item", ""), "values" in request.query_params
            return await _answered(lambda: changes_of(self.session, item, values=values), few)

        return show


async def parsed(request: Request, model: type[Model]) -> Model | None:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_BODY:
            return None
    try:
        return model.model_validate_json(body)
    except ValidationError:
        return None


async def _answered(work: Callable[[], dict[str, Any] | None], few: anyio.CapacityLimiter) -> JSONResponse:
    try:
        content = await run_sync(work, limiter=few)
    except UnreachableError as error:
        return refused(503, str(error))
    except OperatingError as error:
        return refused(400, str(error))
    except (RedisError, FeishuBatchError, OSError) as error:
        return refused(503, f"The action failed ({type(error).__name__}): {str(error)[:200]}")
    if content is None:
        return refused(404, "There is no such intent here, or it ended so long ago that its record has expired.")
    return JSONResponse(content)
