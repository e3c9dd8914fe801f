"""Optional traces by OpenTelemetry: one per intent, from enqueue to its end, and one per batch that links to them.

OpenTelemetry is imported only if traces are enabled.
"""

from collections.abc import Mapping
from importlib.util import find_spec

from redis import Redis

from config.errors import ConfigError
from config.explain import variable_name
from config.settings import Settings
from worker.tracing.traces import NO_TRACES, Traces

__all__ = ["NO_TRACES", "Traces", "Tracing", "tracing_of"]

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


class Tracing:
    """Creates the traces of each lane. This class creates none."""

    def of_lane(self, redis: Redis, prefix: str, lane: str) -> Traces:  # noqa: ARG002 - see worker/tracing/otel.py
        return NO_TRACES


def tracing_of(settings: Settings, environ: Mapping[str, str]) -> Tracing:
    """`environ` has the standard variables. Raises `ConfigError` if traces are enabled but OpenTelemetry is not installed."""
    if not _is_wanted(settings, environ):
        return Tracing()
    if find_spec("opentelemetry") is None or find_spec("opentelemetry.sdk") is None:
        if settings.otel == "auto":
            return Tracing()  # the variables may be set for another program on this machine
        what = f"{variable_name('otel')} is on and OpenTelemetry is not installed"
        raise ConfigError(f"{what}: pip install 'feishu-batch-worker[otel]', or set it to off.")
    from worker.tracing.otel import OtelTracing  # noqa: PLC0415 - an optional dependency
    from worker.tracing.provider import exporting_provider  # noqa: PLC0415 - as above

    return OtelTracing(exporting_provider(environ))


def _is_wanted(settings: Settings, environ: Mapping[str, str]) -> bool:
    if settings.otel == "off" or environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    if settings.otel == "on":
        return True
    return any(environ.get(name) for name in ENDPOINTS) and environ.get("OTEL_TRACES_EXPORTER", "otlp") != "none"
