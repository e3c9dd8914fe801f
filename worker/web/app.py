"""The application: the page, its feed, its actions, and a health check for monitoring."""

import asyncio
import atexit
from functools import partial
from pathlib import Path
from typing import Final

import anyio
from anyio.to_thread import run_sync
from pydantic import Field
from redis.exceptions import RedisError
from sse_starlette import EventSourceResponse
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from worker.ledger.reads.lane_health import read_lane_health
from worker.operating.change_sets import COMPARED
from worker.operating.health import Check, Mark, check_beat, check_inbox, check_lane
from worker.operating.session import Session
from worker.operating.views import inbox_view, lane_view
from worker.web import metrics_route
from worker.web.actions import Actions, parsed
from worker.web.feed import Feed
from worker.web.gate import SESSION_SECONDS, Gate
from worker.web.guard import Guard, cookie_name, is_authorised, session_of
from worker.web.languages import COOKIE, language_for, page_in
from worker.web.orders import Order
from worker.web.refusals import refused
from worker.web.snapshot import Snapshots
from worker.web.upload_routes import UploadRoutes
from worker.web.uploads import Uploads

STATIC: Final = Path(__file__).with_name("static")
WRONG_TOKEN_PAUSE: Final = 1.0  # seconds; one guess at a time
SEND_TIMEOUT: Final = 20.0  # seconds until a browser that reads nothing is disconnected
CHECKED_EACH_TIME: Final = {"Cache-Control": "no-cache", "Vary": "Accept-Language, Cookie"}


class Login(Order):
    token: str = Field(max_length=1000)


class Page:
    def __init__(self, session: Session) -> None:
        settings = session.settings
        self._session = session
        token = settings.dashboard_token
        self._gate = Gate(token.get_secret_value() if token else None)
        self._read_only = settings.dashboard_read_only
        snapshots = Snapshots(session, read_only=self._read_only)
        self._feed = Feed(snapshots.look, snapshots.begin)
        self._guesses = asyncio.Lock()
        self._one_check = anyio.CapacityLimiter(1)

    def app(self) -> Starlette:
        routes: list[BaseRoute] = [
            Route("/", self._index),
            Mount("/static", StaticFiles(directory=STATIC)),
            Route("/login", self._login, methods=["POST"]),
            Route("/logout", self._logout, methods=["POST"]),
            Route("/healthz", self._health),
            Route("/api/session", self._who),
            Route("/api/events", self._events),
            *Actions(self._session, self._read_only).routes(),
            *self._upload_routes().routes(),
            *metrics_route.routes(self._session.redis, self._session.settings),
        ]
        names = (self._session.settings.dashboard_host, *self._session.settings.dashboard_names)
        return Starlette(routes=routes, middleware=[Middleware(Guard, gate=self._gate, names=names)])

    def _upload_routes(self) -> UploadRoutes:
        settings, reads = self._session.settings, self._session.reads
        uploads = Uploads(settings, partial(reads.sets, COMPARED))
        atexit.register(uploads.remove_all)
        is_on = settings.dashboard_upload and not self._read_only
        return UploadRoutes(uploads, is_on=is_on, largest=settings.dashboard_upload_bytes)

    async def _index(self, request: Request) -> Response:
        accepted = request.headers.get("accept-language", "")
        return HTMLResponse(page_in(language_for(request.cookies.get(COOKIE), accepted)), headers=CHECKED_EACH_TIME)

    async def _events(self, _request: Request) -> Response:
        if self._feed.is_full:
            return refused(503, "error.full")
        # Without pings: each look sends an event.
        return EventSourceResponse(self._feed.messages(), ping=0, send_timeout=SEND_TIMEOUT)

    async def _who(self, request: Request) -> Response:
        csrf = self._gate.csrf(session_of(request, self._gate))
        return JSONResponse({"csrf": csrf, "needs_token": self._gate.needs_token, "read_only": self._read_only})

    async def _login(self, request: Request) -> Response:
        if self._guesses.locked():
            return refused(429, "error.login_busy")
        async with self._guesses:
            given = await parsed(request, Login)
            if given is None or not self._gate.is_token(given.token):
                await asyncio.sleep(WRONG_TOKEN_PAUSE)
                return refused(401, "error.wrong_token")
        response = JSONResponse({})
        response.set_cookie(
            cookie_name(request),
            self._gate.new_session(),
            max_age=SESSION_SECONDS,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return response

    async def _logout(self, request: Request) -> Response:
        response = JSONResponse({})
        response.delete_cookie(cookie_name(request), httponly=True, samesite="strict")
        return response

    async def _health(self, request: Request) -> Response:
        """200 while work makes progress; 503 otherwise. A paused lane is healthy."""
        try:
            checks = await run_sync(checked, self._session, limiter=self._one_check)
        except (RedisError, OSError):
            return JSONResponse({"healthy": False, "why": ["Redis does not answer."]}, 503)
        bad = [f"{check.what}. {check.advice}" for check in checks if check.mark is Mark.FAIL]
        answer = {"healthy": not bad} | ({"why": bad} if is_authorised(request, self._gate) else {})
        return JSONResponse(answer, 503 if bad else 200)


def checked(session: Session) -> list[Check]:
    """The checks of `doctor` about progress."""
    lanes = session.chosen_lanes(None)
    settings, inbox = session.settings, inbox_view(session.reads)
    seen = {one.name: read_lane_health(session.redis, one.keys) for one in lanes}
    found = [*check_beat(seen, settings.sweep_seconds), check_inbox(inbox)]
    for one in lanes:
        found += check_lane(
            lane_view(session.reads, one), seen[one.name], settings.slot_seconds, settings.max_open_jobs
        )
    return found
