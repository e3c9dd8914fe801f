"""`feishu-batch metrics`: the metrics of all lanes, printed once or served for Prometheus."""

import ipaddress
import socket

import click

from config.errors import ConfigError
from config.explain import variable_name
from config.logging import setup_logging
from config.settings import Settings, is_loopback
from worker.cli.errors import DONE
from worker.metrics import render
from worker.operating.errors import UnreachableError, WrongUseError
from worker.operating.session import open_session

BACKLOG = 64


@click.command("metrics", short_help="Print the metrics, or serve them for Prometheus.")
@click.option("--serve", "where", metavar="HOST:PORT", help="Serve only /metrics at this address, until Ctrl-C.")
def metrics(where: str | None) -> int:
    """Print the metrics of all lanes in Prometheus's text format, or serve them for Prometheus.

    Example:
      feishu-batch metrics --serve 127.0.0.1:9650

    The status page serves the same under /metrics; use --serve on machines without a status page. It reads Redis only, at each request.
    Any address other than localhost needs FEISHU_BATCH_DASHBOARD_TOKEN, which Prometheus must send as a bearer token; host names
    (not IP addresses) must be listed in FEISHU_BATCH_DASHBOARD_NAMES.

    Exit codes: 0 printed, or ended by Ctrl-C; 2 wrong use, or a token is missing; 3 Redis cannot be reached, or the address is in use.
    """
    session = open_session()
    if where is None:
        click.echo(render(session.redis, session.settings), nl=False)
        return DONE
    host, port = address(where)
    _require_token(session.settings, host)
    listener = _listen(host, port)
    setup_logging(session.settings)
    from worker.web.metrics_server import serve  # noqa: PLC0415 - a web server is slow to import, and printing does not need it

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
            f"The metrics would be readable by every client that reaches {host}: set {variable_name('dashboard_token')} "
            "(for example from: openssl rand -hex 24), or serve them on 127.0.0.1."
        )


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if _is_v6(host) else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise UnreachableError(f"cannot listen on {host}:{port} ({error.strerror or error})") from None


def _is_v6(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).version == 6  # noqa: PLR2004 - of the protocol
    except ValueError:
        return False
