from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.raw_server import RawServer, Script
from worker.remote.transport import HttpTransport


@pytest.fixture
def serve() -> Iterator[Callable[[Script], RawServer]]:
    servers: list[RawServer] = []

    def start(script: Script) -> RawServer:
        servers.append(RawServer(script))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def connect() -> Iterator[Callable[..., HttpTransport]]:
    opened: list[HttpTransport] = []

    def start(url: str, timeout: float = 5.0, **way: Any) -> HttpTransport:
        opened.append(HttpTransport(url, timeout, **way))
        return opened[-1]

    yield start
    for transport in opened:
        transport.close()
