"""`feishu-batch dashboard`: the status page."""

import click

from config.logging import setup_logging
from config.settings import load_settings
from worker.cli.errors import DONE
from worker.connections import connect
from worker.operating.errors import UnreachableError
from worker.operating.session import check_redis, with_running_redis
from worker.web.listening import CannotListenError, address_of, listen
from worker.web.server import serve


@click.command("dashboard", short_help="Serve the status page.")
@click.option(
    "--port", type=click.IntRange(0, 65535), help="Port, instead of FEISHU_BATCH_DASHBOARD_PORT; 0 for any free one."
)
def dashboard(port: int | None) -> int:
    """Serve the status page: lanes, open jobs, batches, intents and failures as they change; pause, resume, cancel, retry.

    Example:
      feishu-batch dashboard --port 8650

    `feishu-batch up` serves the page already. Use this command where the workers run on another machine. It needs Redis and no
    credentials, listens on this machine only unless FEISHU_BATCH_DASHBOARD_HOST says otherwise, and then asks for
    FEISHU_BATCH_DASHBOARD_TOKEN. Prints its address; ends with Ctrl-C or SIGTERM.

    Exit codes: 0 ended by Ctrl-C or SIGTERM; 2 a setting is missing or wrong; 3 Redis cannot be reached, or the port is in use.
    """
    settings = load_settings()
    chosen = port is not None or "dashboard_port" in settings.model_fields_set
    if port is not None:
        settings = settings.model_copy(update={"dashboard_port": port})
    try:
        listener = listen(settings, or_any_port=not chosen, named_by="" if port is None else "--port")
    except CannotListenError as error:
        raise UnreachableError(str(error)) from None
    with listener:
        settings = with_running_redis(settings)
        check_redis(settings, connect(settings))
        setup_logging(settings)
        click.echo(f"status page: {address_of(listener)} (end with Ctrl-C)")
        serve(settings, listener)
    return DONE
