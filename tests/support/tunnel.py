"""An HTTP proxy made of a bare socket: opens tunnels, or plays what a test wants said instead."""

import base64
import socket
import threading
from contextlib import suppress

from tests.support.raw_server import RawServer, Script

OPENED = b"HTTP/1.1 200 Connection established\r\n\r\n"


class TunnelServer(RawServer):
    """`say` answers each CONNECT in place of the proxy; without it, tunnels are opened. `password`: as ``user:password``."""

    def __init__(self, say: Script | None = None, password: str = "") -> None:
        self._say = say
        self._wanted = b"Basic " + base64.b64encode(password.encode()) if password else b""
        super().__init__(self._answer)

    @property
    def targets(self) -> list[str]:
        return [request.split()[1].decode() for request in self.requests]

    def _answer(self, connection: socket.socket, number: int) -> bool | None:
        if self._say:
            return self._say(connection, number)
        if self._wanted and self._wanted not in self.requests[-1]:
            connection.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            return False
        host, _, port = self.targets[-1].rpartition(":")
        with socket.create_connection((host.strip("[]"), int(port))) as upstream:
            connection.sendall(OPENED)
            back = threading.Thread(target=_pump, args=(upstream, connection), daemon=True)
            back.start()
            _pump(connection, upstream)
            back.join(5)
        return False


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
