"""Traces by OpenTelemetry's SDK. Spans are created at their end, with the ledger's times. They contain no field values."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import structlog
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)
from redis import Redis

from feishu_batch.keys import IntentKeys, RecordField
from feishu_batch.outcomes import FIELDS, OutcomeKind
from worker.ledger.records import Batch
from worker.remote.errors import ACCEPTED, RemoteError, word_of
from worker.tracing import Tracing
from worker.tracing.ids import Parent, parent_of, span_id, trace_id
from worker.tracing.provider import SERVICE, GivenIds
from worker.tracing.traces import Traces

log = structlog.get_logger("feishu_batch.tracing")

_FIELDS = (
    *(RecordField.INTENT_ID, RecordField.TRACE, RecordField.ENQUEUED_AT_MS, RecordField.COMPLETED_AT_MS),
    *(RecordField.TOTAL, *FIELDS, RecordField.REQUESTS),
)
_COUNTS = {
    "items": RecordField.TOTAL,
    **{kind.label: kind.field for kind in OutcomeKind},
    "requests": RecordField.REQUESTS,
}
Record = Mapping[str, str | None]
Fields = Mapping[str, str | int]


class OtelTracing(Tracing):
    """`provider` must use `GivenIds`."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider

    def of_lane(self, redis: Redis, prefix: str, lane: str) -> Traces:
        return OtelTraces(self._provider, redis, prefix, lane)


class OtelTraces(Traces):
    def __init__(self, provider: TracerProvider, redis: Redis, prefix: str, lane: str) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer(SERVICE)
        self._redis: Any = redis
        self._prefix, self._lane = prefix, lane

    def sent(self, batch: Batch, began: float, answer: object, state: str) -> None:
        def make() -> None:
            numbers = list(dict.fromkeys(batch.intents))
            links = [Link(self._intent(n, record)) for n, record in self._records(numbers) if record[_FIELDS[0]]]
            fields: Fields = {
                "kind": batch.kind,
                "tries": batch.tries,
                "items": len(batch.items),
                **_answer_fields(answer, state),
            }
            here = self._request(batch)
            self._span("batch_update", here, _ns(began), time.time_ns(), {**self._about(batch), **fields}, links=links)

        self._quietly(make if answer is not None else None)

    def polled(self, batch: Batch, began: float, answer: object, state: str) -> None:
        def make() -> None:
            fields: dict[str, str | int] = {"poll": batch.polls + 1, **_answer_fields(answer, state)}
            word = getattr(answer, "word", None)
            if word is not None:
                fields["job_status"] = str(word)
            self._under_request(batch, "task_result", began, fields)

        self._quietly(make if answer is not None else None)

    def read_back(self, batch: Batch, began: float, settled: int, state: str) -> None:
        def make() -> None:
            fields: Fields = {"settled": settled, "items": len(batch.items), "state": state}
            self._under_request(batch, "read_back", began, fields)

        self._quietly(make)

    def ended(self, numbers: Iterable[int]) -> None:
        def make() -> None:
            for number, record in self._records(list(numbers)):
                if record[RecordField.COMPLETED_AT_MS]:
                    self._ended(number, record)

        self._quietly(make)

    # --- spans ----------------------------------------------------------------------------------------------------

    def _ended(self, number: int, record: Record) -> None:
        times = (RecordField.ENQUEUED_AT_MS, RecordField.COMPLETED_AT_MS)
        began, over = (int(record[name] or 0) * 1_000_000 for name in times)
        counts = {name: int(record[field] or 0) for name, field in _COUNTS.items()}
        about: Fields = {"lane": self._lane, "intent": record[RecordField.INTENT_ID] or "", "number": number}
        parent = parent_of(record[RecordField.TRACE] or "")
        here = self._intent(number, record)
        failed = counts["failed"] > 0
        self._span("intent", here, began or over, over, {**about, **counts}, parent=parent, failed=failed)

    def _under_request(self, batch: Batch, name: str, began: float, fields: Fields) -> None:
        above = self._request(batch)
        parent = Parent(above.trace_id, above.span_id, above.trace_flags.sampled)
        here = SpanContext(above.trace_id, span_id(above.span_id, name, began), is_remote=False)
        self._span(name, here, _ns(began), time.time_ns(), {**self._about(batch), **fields}, parent=parent)

    def _span(
        self,
        name: str,
        here: SpanContext,
        began: int,
        over: int,
        attributes: Fields,
        *,
        parent: Parent | None = None,
        links: Sequence[Link] = (),
        failed: bool = False,
    ) -> None:
        """`began` and `over` in ns."""
        provider_ids = self._provider.id_generator
        assert isinstance(provider_ids, GivenIds)  # noqa: S101 - for the type checker: the constructor says so
        with provider_ids.given(here.trace_id, here.span_id):
            span = self._tracer.start_span(
                f"feishu_batch.{name}",
                context=_below(parent),
                kind=SpanKind.CONSUMER if name == "intent" else SpanKind.CLIENT,
                attributes={f"feishu_batch.{key}": value for key, value in attributes.items()},
                links=links,
                start_time=began,
            )
        if failed or attributes.get("answer", ACCEPTED) != ACCEPTED:
            span.set_status(Status(StatusCode.ERROR))
        span.end(end_time=over)

    def _about(self, batch: Batch) -> dict[str, str | int]:
        spec = batch.spec
        where: dict[str, str | int] = {"project_key": spec.project_key, "field_key": spec.field_key}
        job = {"job": batch.task_id} if batch.task_id else {}
        return {"lane": self._lane, "batch": batch.number, **where, **job}

    # --- contexts -------------------------------------------------------------------------------------------------

    def _intent(self, number: int, record: Record) -> SpanContext:
        """The span of the intent: in the producer's trace, or in its own."""
        name = (self._prefix, self._lane, number, record[RecordField.INTENT_ID])
        parent = parent_of(record[RecordField.TRACE] or "")
        if parent is None:
            return self._root(trace_id(*name), span_id(*name))
        flags = TraceFlags(TraceFlags.SAMPLED if parent.is_sampled else TraceFlags.DEFAULT)
        return SpanContext(parent.trace_id, span_id(*name), is_remote=True, trace_flags=flags)

    def _request(self, batch: Batch) -> SpanContext:
        """The span of the batch's last send. All steps of a batch are one trace."""
        name = (self._prefix, self._lane, batch.number, batch.claimed_at_ms)
        return self._root(trace_id(*name), span_id(*name, batch.fence))

    def _root(self, trace: int, span: int) -> SpanContext:
        decision = self._provider.sampler.should_sample(None, trace, "feishu_batch").decision
        flags = TraceFlags(TraceFlags.SAMPLED if decision is Decision.RECORD_AND_SAMPLE else TraceFlags.DEFAULT)
        return SpanContext(trace, span, is_remote=True, trace_flags=flags)

    def _records(self, numbers: Sequence[int]) -> list[tuple[int, Record]]:
        pipe = self._redis.pipeline(transaction=False)
        for number in numbers:
            pipe.hmget(IntentKeys(self._prefix, self._lane, number).record, _FIELDS)
        rows = pipe.execute() if numbers else []
        return [(number, dict(zip(_FIELDS, row, strict=True))) for number, row in zip(numbers, rows, strict=True)]

    def _quietly(self, make: Callable[[], None] | None) -> None:
        """Errors of tracing must not stop the work."""
        if make is None:
            return
        try:
            make()
        except Exception as error:  # noqa: BLE001 - any error
            log.warning("trace.not_made", error=type(error).__name__)


def _below(parent: Parent | None) -> Context:
    if parent is None:
        return Context()
    flags = TraceFlags(TraceFlags.SAMPLED if parent.is_sampled else TraceFlags.DEFAULT)
    above = SpanContext(parent.trace_id, parent.span_id, is_remote=True, trace_flags=flags)
    return set_span_in_context(NonRecordingSpan(above), Context())


def _ns(seconds: float) -> int:
    return round(seconds * 1e9)


def _answer_fields(answer: object, state: str) -> dict[str, str | int]:
    """The kind of an answer and its code, without its text, which may quote a value."""
    fields: dict[str, str | int] = {"answer": word_of(answer), "state": state}
    if isinstance(answer, RemoteError) and answer.code is not None:
        fields["code"] = answer.code
    task_id = getattr(answer, "task_id", None)
    return {**fields, "job": str(task_id)} if task_id else fields
