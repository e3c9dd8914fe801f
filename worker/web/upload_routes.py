"""The routes of an upload: the file, its columns, the diff, and the import. Without FEISHU_BATCH_DASHBOARD_UPLOAD, each refuses."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog
from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from worker.web.actions import parsed
from worker.web.guard import UPLOAD
from worker.web.orders import Order
from worker.web.refusals import OrderRefusedError, refused
from worker.web.uploads import ReadOrder, TableOrder, Uploads

log = structlog.get_logger("feishu_batch.web")

LARGEST_ORDER: Final = 200_000  # bytes: the match of a thousand columns
LONGEST_NAME: Final = 300
Endpoint = Callable[[Request], Awaitable[Response]]
Work = Callable[[Any], Awaitable[dict[str, Any]]]


class UploadRoutes:
    def __init__(self, uploads: Uploads, *, is_on: bool, largest: int) -> None:
        self._uploads, self._is_on, self._largest = uploads, is_on, largest

    def routes(self) -> list[Route]:
        async def columns(order: ReadOrder) -> dict[str, Any]:
            return await run_sync(self._uploads.columns, order)

        steps: dict[str, tuple[type[Order], Work]] = {
            "columns": (ReadOrder, columns),
            "plan": (TableOrder, self._uploads.plan),
            "import": (TableOrder, self._uploads.import_it),
        }
        return [
            Route(UPLOAD, self._take, methods=["POST"]),
            *(Route(f"{UPLOAD}/{name}", self._step(name, *step), methods=["POST"]) for name, step in steps.items()),
        ]

    async def _take(self, request: Request) -> Response:
        if not self._is_on:
            return refused(403, "error.upload_off")
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > self._largest:
                return refused(413, "error.too_large", bytes=f"{self._largest:,}")
        name = request.query_params.get("name", "")[:LONGEST_NAME]
        try:
            upload = await run_sync(self._uploads.keep, name, bytes(body))
        except OrderRefusedError as error:
            return refused(error.status, error.key, **error.values)
        return JSONResponse({"upload": upload})

    def _step(self, name: str, model: type[Order], work: Work) -> Endpoint:
        async def act(request: Request) -> Response:
            if not self._is_on:
                return refused(403, "error.upload_off")
            order = await parsed(request, model, LARGEST_ORDER)
            if order is None:
                return refused(400, "error.bad_order")
            try:
                answer: Response = JSONResponse(await work(order))
            except OrderRefusedError as error:
                answer = refused(error.status, error.key, **error.values)
            client = request.client.host if request.client else ""
            log.info(
                "page.upload", step=name, upload=getattr(order, "upload", ""), status=answer.status_code, by=client
            )
            return answer

        return act
