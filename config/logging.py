"""Structured logs: an event name, a sentence, ids. Set up once per process; secrets are masked in every line."""

import logging
import re
import sys
from collections.abc import Mapping
from typing import Any, Final, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from config.lost_broker import LostBroker
from config.settings import Settings
from config.urls import MASK

# Whole words of a key: `plugin_token` and `X-PLUGIN-TOKEN`, not `tokenizer`. A user key is not a secret.
_SECRET_KEY: Final = re.compile(
    r"(^|[_\-.])(token|secret|password|passwd|authorization|api[_-]?key|credentials?)s?($|[_\-.])", re.IGNORECASE
)
# In a text: the part between `:` and `@` of a URL, and the value after the name of a secret.
_URL_PASSWORD: Final = re.compile(r"(?P<before>[a-z][a-z0-9+.\-]*://[^\s/:@]*:)[^\s/]+(?=@)", re.IGNORECASE)
_NAMED_SECRET: Final = re.compile(
    r"(?P<before>[\"']?(?:x-plugin-token|plugin_secret|plugin_token|authorization|password)[\"']?\s*[=:]\s*[\"']?)(?:bearer\s+)?[^\s\"',;}]+",
    re.IGNORECASE,
)
_QUIET: Final = ("celery", "kombu", "amqp", "billiard", "httpx", "httpcore", "asyncio", "redis")
_DEEPEST: Final = 6
_FIRST: Final = ("timestamp", "level", "event", "lane", "intent_id", "batch", "job")
# Keys whose values are field values, or texts that may quote one: logged only with FEISHU_BATCH_LOG_VALUES.
_VALUES: Final = frozenset({"before_field_value", "after_field_value"})
_WITH_VALUES: Final = "_with_values"
# Celery logs an unusable message as a whole: with the values, and after them the headers.
_WHOLE_MESSAGE: Final = re.compile(r"(?P<before>The full contents of the message body was:|\nbody:).*", re.DOTALL)


def setup_logging(settings: Settings, stream: TextIO | None = None) -> None:
    """Routes structlog and the standard library's logs to `stream` (stderr). Calling it again replaces what it set up."""
    stream = stream or sys.stderr
    as_json = is_json(settings, stream)
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_shared(),
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *([] if settings.log_values else [_without_values]),
                *_ending(stream, as_json),
            ],
        )
    )
    handler.addFilter(LostBroker())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_shared(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,  # a fork or a second setup must not keep the old stream
    )


def is_json(settings: Settings, stream: TextIO) -> bool:
    return settings.log_format == "json" or (settings.log_format == "auto" and not stream.isatty())


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


def redacted(value: Any, depth: int = 0) -> Any:
    """The value with secrets masked: by the name of their key, and inside texts by their form."""
    if isinstance(value, str):
        return redacted_text(value)
    if depth >= _DEEPEST:
        return "…"
    if isinstance(value, Mapping):
        return {key: MASK if _is_secret(key, item) else redacted(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [redacted(item, depth + 1) for item in value]
    return value if isinstance(value, int | float | None) else redacted_text(str(value))


def redacted_text(text: str) -> str:
    return _NAMED_SECRET.sub(rf"\g<before>{MASK}", _URL_PASSWORD.sub(rf"\g<before>{MASK}", text))


def _is_secret(key: Any, item: Any) -> bool:
    # A number or a boolean under such a name (`token_renewals=3`) is a measurement.
    return bool(item) and not isinstance(item, int | float) and bool(_SECRET_KEY.search(str(key)))


def _redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return {key: MASK if _is_secret(key, item) else redacted(item) for key, item in event.items()}


def _without_values(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    kept = {key: item for key, item in event.items() if key not in _VALUES and not key.endswith(_WITH_VALUES)}
    if isinstance(text := kept.get("event"), str):
        kept["event"] = _WHOLE_MESSAGE.sub(r"\g<before> …", text)
    return kept


def _in_order(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """The keys of every line come first, the traceback last."""
    first = {key: event.pop(key) for key in _FIRST if key in event}
    last = {key: event.pop(key) for key in ("exception",) if key in event}
    return {**first, **event, **last}


def _shared() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]


def _ending(stream: TextIO, as_json: bool) -> list[Processor]:
    """The exception is formatted before masking, because a traceback may quote a URL; then the line is written."""
    renderer: Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if as_json
        else structlog.dev.ConsoleRenderer(colors=stream.isatty(), pad_event_to=0)
    )
    return [structlog.processors.format_exc_info, _redact, _in_order, renderer]
