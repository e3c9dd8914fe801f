"""A web server for /metrics alone, behind the same guard as the status page."""

import socket

from redis import Redis
from starlette.applications import Starlette
from starlette.middleware import Middleware

from config.settings import Settings
from worker.web.gate import Gate
from worker.web.guard import Guard
from worker.web.metrics_route import routes
from worker.web.server import PageServer, quiet_config


def app(redis: Redis, settings: Settings, host: str) -> Starlette:
    token = settings.dashboard_token
    gate = Gate(token.get_secret_value() if token else None)
    guard = Middleware(Guard, gate=gate, names=(host, *settings.dashboard_names))
    return Starlette(routes=routes(redis, settings), middleware=[guard])


def serve(redis: Redis, settings: Settings, listener: socket.socket, host: str) -> None:
    """Until SIGINT or SIGTERM."""
    PageServer(quiet_config(app(redis, settings, host))).run([listener])
