"""The route `/metrics`, for the status page's server and for a separate one. A guard in front decides who may read it."""

from redis import Redis
from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from config.settings import Settings
from worker.metrics.exposition import CONTENT_TYPE, render


def routes(redis: Redis, settings: Settings) -> list[Route]:
    def metrics(_request: Request) -> Response:  # not async: it waits for Redis, so it runs in a thread
        try:
            return Response(render(redis, settings), headers={"Content-Type": CONTENT_TYPE})
        except (RedisError, OSError):
            return PlainTextResponse("Redis does not answer.\n", 503)

    return [Route("/metrics", metrics)]
