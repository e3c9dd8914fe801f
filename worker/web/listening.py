"""Where the page listens, and how it is started. Does not import the web server: `up` only passes the socket on."""

import socket

from config.errors import ConfigError
from config.explain import variable_name
from config.settings import Settings, as_environment, is_loopback
from worker.processes.child import Child

BACKLOG = 64


class CannotListenError(Exception):
    """The message says which address, and what to do."""


def require_safe(settings: Settings) -> None:
    """Raises `ConfigError` if other machines can reach the page without a token."""
    if settings.dashboard_token is None and not is_loopback(settings.dashboard_host):
        raise ConfigError(
            f"The status page would be open to every client that reaches {settings.dashboard_host}: "
            f"set {variable_name('dashboard_token')} (for example from: openssl rand -hex 24), or leave "
            f"{variable_name('dashboard_host')} at 127.0.0.1."
        )


def listen(settings: Settings, *, or_any_port: bool, named_by: str = "") -> socket.socket:
    """A listening socket. `or_any_port`: a free one if the port is taken. `named_by`: the option that gave the port. Raises `ConfigError`, `CannotListenError`."""
    require_safe(settings)
    host, port = settings.dashboard_host, settings.dashboard_port
    try:
        return _listener(host, port)
    except OSError as error:
        if not or_any_port or port == 0:
            what = f"The status page cannot listen on {host}:{port} ({error.strerror or error})"
            raise CannotListenError(
                f"{what}: set {named_by or variable_name('dashboard_port')} to another one, or to 0."
            ) from None
    try:
        return _listener(host, 0)
    except OSError as error:
        raise CannotListenError(f"The status page cannot listen on {host} ({error.strerror or error}).") from None


def _listener(host: str, port: int) -> socket.socket:
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    return socket.create_server(address[:2], family=family, backlog=BACKLOG)


def address_of(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def dashboard_child(settings: Settings, python: str, listener: socket.socket) -> Child:
    """The page as a child of the listening process. It needs no credentials, and our settings pass none to it, unless tables are
    imported there.
    """
    names = () if settings.dashboard_upload else ("plugin_id", "plugin_secret")
    secrets = {variable_name(name): "" for name in names}
    return Child(
        name="dashboard",
        argv=(python, "-P", "-m", "worker.web", str(listener.fileno())),
        env={**as_environment(settings), **secrets},
        cwd=settings.data_dir.absolute(),
        pass_fds=(listener.fileno(),),
    )
