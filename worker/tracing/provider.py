"""The configured SDK: spans with given ids, sent to the destination from the environment."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

SERVICE = "feishu-batch"


class GivenIds(RandomIdGenerator):
    """Random ids, except for the span that this thread starts under `given`."""

    def __init__(self) -> None:
        self._next = threading.local()

    @contextmanager
    def given(self, trace: int, span: int) -> Iterator[None]:
        self._next.ids = trace, span
        try:
            yield
        finally:
            self._next.ids = None

    def generate_trace_id(self) -> int:
        ids = getattr(self._next, "ids", None)
        return ids[0] if ids else super().generate_trace_id()

    def generate_span_id(self) -> int:
        ids = getattr(self._next, "ids", None)
        return ids[1] if ids else super().generate_span_id()


def exporting_provider(environ: Mapping[str, str]) -> TracerProvider:
    """The standard OTEL_… variables, which the SDK reads, set the destination, the interval and the sampled share."""
    named = environ.get("OTEL_SERVICE_NAME") or "service.name=" in environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    provider = TracerProvider(
        resource=Resource.create({} if named else {"service.name": SERVICE}), id_generator=GivenIds()
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider
