"""The routes of what the page orders and looks up."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import mkdtemp
from typing import Final, TypeVar

import anyio
import structlog
from anyio.to_thread import run_sync
from pydantic import ValidationError
from redis.exceptions import RedisError
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from feishu_batch.errors import FeishuBatchError
from worker.operating.errors import OperatingError, UnreachableError
from worker.operating.session import Session
from worker.web.lookups import Answer, Asked, changes_of, found_by, intent_answer, set_answer
from worker.web.orders import ORDERS, Order, Work
from worker.web.refusals import OrderRefusedError, refused
from worker.web.report import FORMATS, remove_report, report_name, write_failures

log = structlog.get_logger("feishu_batch.web")

LARGEST_BODY: Final = 16_384  # bytes
LONGEST_ERROR: Final = 200  # characters
Model = TypeVar("Model", bound=Order)
Endpoint = Callable[[Request], Awaitable[Response]]
LookUp = Callable[[Session, Asked], Answer]
LOOK_UPS: Final[dict[str, LookUp]] = {"sets": set_answer, "history": changes_of, "find": found_by}


@dataclass(frozen=True, slots=True)
class Actions:
    session: Session
    read_only: bool

    def routes(self) -> list[Route]:
        few = anyio.CapacityLimiter(4)  # a retry may read for a while
        return [
            *(
                Route(f"/api/{name}", self._order(name, model, work, few), methods=["POST"])
                for name, (model, work) in ORDERS.items()
            ),
            *(Route(f"/api/{name}", self._look_up(work, few)) for name, work in LOOK_UPS.items()),
            Route("/api/intents/{intent}", self._intent(few)),
            Route("/api/report", self._report(anyio.CapacityLimiter(1))),
        ]

    def _order(self, name: str, model: type[Order], work: Work, few: anyio.CapacityLimiter) -> Endpoint:
        async def act(request: Request) -> Response:
            if self.read_only:
                return refused(403, "error.read_only")
            order = await parsed(request, model)
            if order is None:
                return refused(400, "error.bad_order")
            answer = await _answered(lambda: JSONResponse(work(self.session, order)), few)
            client = request.client.host if request.client else ""
            asked = order.model_dump(exclude_none=True)
            ids = {"intent_id": asked.pop("intent")} if "intent" in asked else {}
            log.info("page.order", order=name, **ids, **asked, status=answer.status_code, by=client)
            return answer

        return act

    def _look_up(self, work: LookUp, few: anyio.CapacityLimiter) -> Endpoint:
        async def show(request: Request) -> Response:
            return await _answered(lambda: JSONResponse(work(self.session, request.query_params)), few)

        return show

    def _intent(self, few: anyio.CapacityLimiter) -> Endpoint:
        async def show(request: Request) -> Response:
            intent_id, values = request.path_params["intent"], "values" in request.query_params
            return await _answered(lambda: JSONResponse(intent_answer(self.session, intent_id, values=values)), few)

        return show

    def _report(self, one: anyio.CapacityLimiter) -> Endpoint:
        """What failed of a change set, as a file."""

        async def send(request: Request) -> Response:
            change_set, kind = request.query_params.get("id", ""), request.query_params.get("kind", "")
            if kind not in FORMATS:
                return refused(400, "error.bad_order")
            return await _answered(partial(self._file, change_set, kind), one)

        return send

    def _file(self, change_set: str, kind: str) -> Response:
        path = Path(mkdtemp(prefix="feishu-batch-report-")) / f"report.{kind}"
        try:
            write_failures(self.session, change_set, path)
        except BaseException:
            remove_report(path)
            raise
        return FileResponse(
            path, filename=report_name(change_set, kind), background=BackgroundTask(remove_report, path)
        )


async def parsed(request: Request, model: type[Model], largest: int = LARGEST_BODY) -> Model | None:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > largest:
            return None
    try:
        return model.model_validate_json(body)
    except ValidationError:
        return None


async def _answered(work: Callable[[], Response], few: anyio.CapacityLimiter) -> Response:
    try:
        return await run_sync(work, limiter=few)
    except OrderRefusedError as error:
        return refused(error.status, error.key, **error.values)
    except UnreachableError as error:
        return refused(503, "error.other", why=str(error))
    except OperatingError as error:
        return refused(400, "error.other", why=str(error))
    except (RedisError, FeishuBatchError, OSError) as error:
        return refused(503, "error.failed", kind=type(error).__name__, why=str(error)[:LONGEST_ERROR])
