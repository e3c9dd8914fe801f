"""The HTTP side: latency, rate limits, faults, envelopes."""

import asyncio
import math
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from email.utils import formatdate
from http.client import BAD_REQUEST, INTERNAL_SERVER_ERROR, OK
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from sandbox import control, errors, reads, singles, writes
from sandbox.core import LoggedCall, Sandbox
from sandbox.errors import ApiError, Reason
from sandbox.faults import AFTER, BEFORE, DEFAULT_HANG, DEFAULT_LATENESS, FaultRule

Handler = Callable[[Sandbox, LoggedCall], Any]
HttpEndpoint = Callable[[Request], Awaitable[Response]]
LATE: Mapping[str, Callable[[Sandbox, LoggedCall, float], None]] = {
    "batch_update": writes.execute_later,
    "update_item": singles.execute_later,
}


@dataclass(frozen=True)
class Endpoint:
    name: str
    method: str
    path: str
    handler: Handler


TOKEN_ENDPOINT = "plugin_token"  # noqa: S105 the name of an endpoint
ENDPOINTS = (
    Endpoint(TOKEN_ENDPOINT, "POST", "/authen/plugin_token", writes.plugin_token),
    Endpoint("batch_update", "POST", "/work_item/batch_update", writes.batch_update),
    Endpoint("update_item", "PUT", "/{project_key}/work_item/{type_key}/{item_id}", singles.update_item),
    Endpoint("task_result", "GET", "/task_result", writes.task_result),
    Endpoint("user_query", "POST", "/user/query", reads.query_users),
    Endpoint("projects_detail", "POST", "/projects/detail", reads.project_details),
    Endpoint("all_types", "GET", "/{project_key}/work_item/all-types", reads.all_types),
    Endpoint("field_all", "POST", "/{project_key}/field/all", reads.all_fields),
    Endpoint("work_item_query", "POST", "/{project_key}/work_item/{type_key}/query", reads.query_items),
    Endpoint("fix_view", "GET", "/{project_key}/fix_view/{view_id}", reads.fix_view),
    Endpoint("meta", "GET", "/{project_key}/work_item/{type_key}/meta", reads.meta),
)


class CutResponse(Response):
    """Close the connection without an answer, after some seconds."""

    def __init__(self, after: float = 0.0) -> None:
        super().__init__()
        self.after = after

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 nothing is sent
        if self.after:
            await asyncio.sleep(self.after)
        scope["state"]["transport"].close()
        # uvicorn answers 500 for an application that returns before it knows of the closed connection.
        while (await receive())["type"] != "http.disconnect":
            pass


def create_app(sandbox: Sandbox) -> Starlette:
    routes = [Route(f"/open_api{e.path}", http_endpoint(sandbox, e), methods=[e.method]) for e in ENDPOINTS]

    async def no_such_endpoint(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else errors.NO_SUCH_ENDPOINT.http_status
        return _refusal("", errors.NO_SUCH_ENDPOINT, request.url.path, status)

    handlers = {404: no_such_endpoint, 405: no_such_endpoint}
    return Starlette(routes=routes + control.routes(sandbox), exception_handlers=handlers)


def http_endpoint(sandbox: Sandbox, endpoint: Endpoint) -> HttpEndpoint:
    async def serve(request: Request) -> Response:
        at = await _arrival(sandbox, request)
        response = _answer(sandbox, endpoint, await _call(sandbox, endpoint, request, at))
        await _until(at + _duration(sandbox, endpoint, response))
        if on_the_way := sandbox.draw_latency():
            await asyncio.sleep(on_the_way)
        return response

    return serve


async def _arrival(sandbox: Sandbox, request: Request) -> float:
    """Arrival time of the request: when it was read from the socket, plus the simulated latency."""
    received_at: float = request.scope["state"].get("received_at", time.monotonic())
    at = received_at + sandbox.draw_latency()
    await _until(at)
    return at


def _duration(sandbox: Sandbox, endpoint: Endpoint, response: Response) -> float:
    """Seconds from the arrival to the answer, without latency. A refusal comes at once."""
    is_refused = BAD_REQUEST <= response.status_code < INTERNAL_SERVER_ERROR
    return sandbox.single_rules.seconds if endpoint.name == "update_item" and not is_refused else 0.0


async def _until(at: float) -> None:
    left = at - time.monotonic()
    if left > 0:
        await asyncio.sleep(left)


async def _call(sandbox: Sandbox, endpoint: Endpoint, request: Request, at: float) -> LoggedCall:
    call = LoggedCall(at, request.headers, request.path_params, request.query_params, await request.body())
    plugin = _plugin_in_body(call) if endpoint.name == TOKEN_ENDPOINT else sandbox.tokens.owner(call.token)
    return LoggedCall(at, call.headers, call.path, call.query, call.raw_body, plugin or "")


def _plugin_in_body(call: LoggedCall) -> str:
    try:
        return str(call.body().get("plugin_id", ""))
    except ApiError:
        return ""


def _answer(sandbox: Sandbox, endpoint: Endpoint, call: LoggedCall) -> Response:
    """The rate limit first, then faults before the request, the request itself, and faults that lose its answer."""
    sandbox.agenda.advance(call.at)
    prevented = _before(sandbox, endpoint, call)
    if prevented:
        return prevented
    response = _execute(sandbox, endpoint, call)
    fault = sandbox.faults.draw(endpoint.name, AFTER) if response.status_code == OK else None
    return _disturbance(sandbox, endpoint, fault) if fault else response


def _before(sandbox: Sandbox, endpoint: Endpoint, call: LoggedCall) -> Response | None:
    # A token that was never issued belongs to no plugin, so there is no window to count it in.
    if call.plugin and not sandbox.limiter.admit(endpoint.name, call.plugin, call.at):
        return _rejected(sandbox, endpoint, call)
    fault = sandbox.faults.draw(endpoint.name, BEFORE)
    if fault is None:
        return None
    if fault.name == "token_loss":
        sandbox.tokens.lose_all()
        return None
    if fault.name == "spurious_429":
        if call.plugin:
            sandbox.limiter.take_back(endpoint.name, call.plugin, call.at)
            sandbox.limiter.close(endpoint.name, call.plugin, call.at)
        return _rejected(sandbox, endpoint, call)
    if fault.name == "refuse":
        return _count(sandbox, endpoint, errors.by_code(fault.code or 0, fault.status))
    if fault.name == "try_later":
        reason = errors.TRY_LATER
        return _count(sandbox, endpoint, reason._replace(http_status=fault.status or reason.http_status))
    if fault.name == "error_late" and endpoint.name in LATE:
        LATE[endpoint.name](sandbox, call, DEFAULT_LATENESS if fault.seconds is None else fault.seconds)
    return _disturbance(sandbox, endpoint, fault)


def _rejected(sandbox: Sandbox, endpoint: Endpoint, call: LoggedCall) -> Response:
    response = _count(sandbox, endpoint, errors.RATE_LIMIT)
    wait = math.ceil(sandbox.limiter.opens_in(endpoint.name, call.plugin, call.at))
    if sandbox.settings.retry_after == "seconds":
        response.headers["Retry-After"] = str(wait)
    elif sandbox.settings.retry_after == "date":
        response.headers["Retry-After"] = formatdate(time.time() + wait, usegmt=True)
    return response


def _execute(sandbox: Sandbox, endpoint: Endpoint, call: LoggedCall) -> Response:
    try:
        if endpoint.name != TOKEN_ENDPOINT:
            _check_headers(sandbox, call)
        data = endpoint.handler(sandbox, call)
    except ApiError as error:
        return _count(sandbox, endpoint, error.reason, str(error))
    sandbox.answers[f"{endpoint.name}:0"] += 1
    if endpoint.name == TOKEN_ENDPOINT:
        return _json({"error": {"code": 0, "msg": "success"}, "data": data})
    return _json({"err": {}, "err_code": 0, "err_msg": "", "data": data})


def _check_headers(sandbox: Sandbox, call: LoggedCall) -> None:
    sandbox.tokens.check(call.token, call.at)
    if not call.user_key:
        raise ApiError(errors.USER_KEY_MISSING)
    if not sandbox.world.knows(call.user_key):
        raise ApiError(errors.USER_UNKNOWN, call.user_key)
    if sandbox.world.is_inactive(call.user_key):
        raise ApiError(errors.USER_INACTIVE)


def _disturbance(sandbox: Sandbox, endpoint: Endpoint, fault: FaultRule) -> Response:
    kind = fault.name.partition("_")[0]
    if kind == "error":
        status = sandbox.faults.gateway_status(fault)
        if fault.code is not None:
            return _count(sandbox, endpoint, errors.by_code(fault.code, status))
        return PlainTextResponse("upstream trouble", status)
    if kind == "garbage":
        return Response('{"err_code": 0, "data": {"task_', media_type="application/json")
    longest = DEFAULT_HANG if fault.seconds is None else fault.seconds
    return CutResponse(after=longest if kind == "hang" else 0.0)


def _count(sandbox: Sandbox, endpoint: Endpoint, reason: Reason, message: str = "") -> Response:
    sandbox.answers[f"{endpoint.name}:{reason.code}"] += 1
    return _refusal(endpoint.name, reason, message or reason.message, reason.http_status)


def _refusal(endpoint_name: str, reason: Reason, message: str, status: int) -> Response:
    if reason.code == 0:
        return PlainTextResponse(message, status)
    if endpoint_name == TOKEN_ENDPOINT:
        return _json({"error": {"code": reason.code, "msg": message}, "data": {}}, status)
    inner = {"code": reason.code, "msg": reason.message}
    return _json({"err": inner, "err_code": reason.code, "err_msg": message, "data": None}, status)


def _json(content: dict[str, Any], status: int = 200) -> JSONResponse:
    log_id = uuid.uuid4().hex
    return JSONResponse(content, status, {"X-Tt-Logid": log_id, "X-Request-Id": log_id})
