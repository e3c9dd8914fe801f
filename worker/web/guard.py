"""Checks before every route: known hosts, the token, the origin of changing requests, strict headers."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from feishu_batch.explained import Explanation
from worker.web.gate import Gate, is_known_host, is_same_origin
from worker.web.refusals import refused

# The page itself holds no data; it asks for the token. Without the token, /healthz answers only yes or no.
OPEN: Final = ("/", "/login", "/healthz", "/static/")
BEARER: Final = "Bearer "
UPLOAD: Final = "/api/upload"  # takes a file; all other changes take JSON

HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Guard:
    def __init__(self, app: ASGIApp, gate: Gate, names: Sequence[str]) -> None:
        self._app, self._gate, self._names = app, gate, tuple(names)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        refusal = self._refusal(Request(scope))
        await (refusal or self._app)(scope, receive, with_headers)

    def _refusal(self, request: Request) -> JSONResponse | None:
        host = request.headers.get("host", "")
        if not is_known_host(host, self._names):
            return refused(421, "error.unknown_host", host=repr(host[:100]))
        if not is_authorised(request, self._gate) and not _is_open(request.url.path):
            return refused(401, "error.no_login")
        return None if request.method in {"GET", "HEAD"} else self._refused_change(request, host)

    def _refused_change(self, request: Request, host: str) -> JSONResponse | None:
        headers = request.headers
        if not is_same_origin(host, headers.get("origin"), headers.get("sec-fetch-site")):
            return refused(403, "error.other_page")
        wanted = "application/octet-stream" if request.url.path == UPLOAD else "application/json"
        if headers.get("content-type", "").partition(";")[0].strip() != wanted:
            return refused(415, "error.not_json")
        if request.url.path == "/login" or _bearer_is_right(request, self._gate):
            return None  # browsers send neither of them on their own
        if not self._gate.is_csrf(headers.get("x-csrf-token", ""), session_of(request, self._gate)):
            return refused(403, "error.out_of_date")
        return None


# What each status of an answer means to a program, and what to do.
STATUSES: Final[Mapping[int, Explanation]] = MappingProxyType(
    {
        200: Explanation("Done. Of `/healthz`: no problem.", "Nothing."),
        400: Explanation(
            "The request cannot be understood, or its values are wrong.", "The answer says which; reload the page."
        ),
        401: Explanation(
            "The token is missing or wrong.", "Send `Authorization: Bearer` with `FEISHU_BATCH_DASHBOARD_TOKEN`."
        ),
        403: Explanation(
            "A change that does not come from the page, from an old copy of it, or on a page that only shows.",
            "Reload the page; programs use the commands. See `FEISHU_BATCH_DASHBOARD_READ_ONLY`.",
        ),
        404: Explanation(
            "There is no such intent, change set, uploaded file or page.",
            "Check the id; ended intents are deleted after their retention time, uploaded files sooner.",
        ),
        413: Explanation(
            "The uploaded file is too large.",
            "Import it with the command, or raise `FEISHU_BATCH_DASHBOARD_UPLOAD_BYTES`.",
        ),
        415: Explanation("The body is not JSON.", "Send `Content-Type: application/json`."),
        421: Explanation("The host name of the request is not known.", "Add it to `FEISHU_BATCH_DASHBOARD_NAMES`."),
        429: Explanation(
            "Another log-in, or another uploaded file, is being checked at this moment.", "Try again in a moment."
        ),
        503: Explanation(
            "Redis does not answer, too many browsers are open, or, of `/healthz`, something is not healthy.",
            "Look at the answer's text, then at `feishu-batch doctor`.",
        ),
    }
)


def is_authorised(request: Request, gate: Gate) -> bool:
    return not gate.needs_token or _bearer_is_right(request, gate) or bool(session_of(request, gate))


def session_of(request: Request, gate: Gate) -> str:
    """The session's cookie if it is valid; else empty."""
    cookie = request.cookies.get(cookie_name(request), "")
    return cookie if cookie and gate.needs_token and gate.is_session(cookie) else ""


def cookie_name(request: Request) -> str:
    """Cookies ignore the port; two pages on one machine must not log each other out."""
    return f"feishu_batch_{(request.scope.get('server') or ('', 0))[1]}"


def _bearer_is_right(request: Request, gate: Gate) -> bool:
    given = request.headers.get("authorization", "")
    return given.startswith(BEARER) and gate.is_token(given.removeprefix(BEARER))


def _is_open(path: str) -> bool:
    return any(path == one or (one.endswith("/") and one != "/" and path.startswith(one)) for one in OPEN)
