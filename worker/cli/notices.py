"""What `up` prints about itself: sentences, or with FEISHU_BATCH_LOG_FORMAT=json the same JSON lines as its workers."""

import click
import structlog

from config.logging import setup_logging
from config.settings import Settings

log = structlog.get_logger("feishu_batch.up")


class Notices:
    """With FEISHU_BATCH_LOG_FORMAT=json a program reads the output, so every line must be JSON."""

    def __init__(self, settings: Settings) -> None:
        self._as_json = settings.log_format == "json"
        if self._as_json:
            setup_logging(settings)

    def say(self, event: str, sentence: str, *, is_trouble: bool = False, **ids: str | int | None) -> None:
        if not self._as_json:
            click.echo(sentence, err=is_trouble)
            return
        known = {name: value for name, value in ids.items() if value is not None}
        (log.warning if is_trouble else log.info)(event, message=sentence, **known)
