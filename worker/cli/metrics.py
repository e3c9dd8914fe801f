"""`feishu-batch metrics`: the metrics of all lanes, once or for a Prometheus that asks again and again."""

import ipaddress
import socket

import click

from config.errors import ConfigError
from config.explain import variable_name
from config.logging import setup_logging
from config.settings import Settings, is_loopback
from worker.cli.errors import DONE, UnreachableError, WrongUseError
from worker.cli.session import open_session
from worker.metrics import render

BACKLOG = 64


@click.command("metrics", short_help="Print the metrics, or serve them for Prometheus.")
@click.option("--serve", "where", metavar="HOST:PORT", help="Serve /metrics there, and nothing else, until Ctrl-C.")
def metrics(where: str | None) -> int:
    """Print the metrics of all lanes in Prometheus's text format, or serve them for Prometheus.

    Example:
      feishu-batch metrics --serve 127.0.0.1:9650

    The status page serves the same under /metrics; --serve is for machines without one. It reads Redis only, when it is asked. Other
    addresses than this machine's own need FEISHU_BATCH_DASHBOARD_TOKEN, which Prometheus then has to send as a bearer token, and names
    of hosts (no IP addresses) have to stand in FEISHU_BATCH_DASHBOARD_NAMES.

    Exit codes: 0 printed, or ended as asked; 2 wrong use, or a token is missing; 3 Redis cannot be reached, or the address is taken.
    """
    session = open_session()
    if where is None:
        click.echo(render(session.redis, session.settings), nl=False)
        return DONE
    host, port = address(where)
    _require_token(session.settings, host)
    listener = _listen(host, port)
    setup_logging(session.settings)
    from worker.metrics.server import serve  # noqa: PLC0415 - a web server is slow to import, and printing needs none

    shown = f"[{host}]" if ":" in host else host
    click.echo(f"Metrics: http://{shown}:{listener.getsockname()[1]}/metrics. End with Ctrl-C.")
    serve(session.redis, session.settings, listener, host)
    return DONE


def address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    host = host.strip("[]")
    if not host or not port.isdigit() or int(port) > 65535:  # noqa: PLR2004 - the last port
        raise WrongUseError(f"--serve takes an address and a port, like 127.0.0.1:9650 or [::1]:9650, not {text!r}")
    return host, int(port)


def _require_token(settings: Settings, host: str) -> None:
    if settings.dashboard_token is None and not is_loopback(host):
        raise ConfigError(
            f"The metrics would be open to everybody who reaches {host}: set {variable_name('dashboard_token')} "
            "(as from: openssl rand -hex 24), or serve them on 127.0.0.1."
        )


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if _is_v6(host) else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise UnreachableError(f"{host}:{port} cannot be listened on ({error.strerror or error})") from None


def _is_v6(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).version == 6  # noqa: PLR2004 - of the protocol
    except ValueError:
        return False
