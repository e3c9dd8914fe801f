"""Stands between a client and Redis as proxies of managed services do: passes commands on, and refuses some in its own words."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

Refuse = Callable[
    [list[bytes]], bytes | None
]  # a command → what is answered in its place; b"": the connection is closed


@contextmanager
def refusing_proxy(url: str, refuse: Refuse) -> Iterator[str]:
    """The URL by which to go through it."""
    parts = urlsplit(url)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        thread = threading.Thread(target=_serve, args=(listener, (parts.hostname, parts.port), refuse), daemon=True)
        thread.start()
        yield url.replace(f":{parts.port}", f":{port}")
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def _serve(listener: socket.socket, server: tuple[str, int], refuse: Refuse) -> None:
    with contextlib.suppress(OSError):
        while True:
            client, _ = listener.accept()
            threading.Thread(target=_talk, args=(client, server, refuse), daemon=True).start()


def _talk(client: socket.socket, server: tuple[str, int], refuse: Refuse) -> None:
    """In step: an answer of its own comes behind those of the commands before, as one lock orders both directions."""
    with contextlib.suppress(OSError, ValueError), client, socket.create_connection(server) as redis:
        threading.Thread(target=_pass_on, args=(redis, client), daemon=True).start()
        stream = client.makefile("rb")
        while command := _read(stream):
            answer = refuse([part.upper() if i < 2 else part for i, part in enumerate(command)])
            if answer == b"":
                redis.shutdown(socket.SHUT_RDWR)
                return
            if answer is None:
                redis.sendall(_written(command))
            else:  # Redis answers it, in its place among the others
                redis.sendall(_written([b"EVAL", b"return redis.error_reply(ARGV[1])", b"1", b"{front}", answer]))


def _read(stream) -> list[bytes]:
    head = stream.readline()
    if not head:
        return []
    return [stream.read(int(stream.readline()[1:]) + 2)[:-2] for _ in range(int(head[1:]))]


def _written(command: list[bytes]) -> bytes:
    return b"*%d\r\n" % len(command) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in command)


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)
