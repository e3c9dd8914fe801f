"""Traces of real work: from the producer's span to the end of its intent, with the SDK's own exporter and the real ledger."""

import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import worker.runtime
from config.errors import ConfigError
from config.settings import Settings
from tests.support.model import intent
from tests.support.waiting import PATIENCE
from worker.tracing import Tracing, tracing_of
from worker.tracing.otel import OtelTracing
from worker.tracing.provider import GivenIds, exporting_provider

pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex")  # by Celery's result backend
VALUE = "what nobody but the remote system may see"
WISH = intent([1101], VALUE).model_dump(mode="json", exclude_unset=True)
EXPORTED_TO = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}


@pytest.fixture
def exporter(monkeypatch):
    """Holds what the workers tell."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(id_generator=GivenIds(), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(worker.runtime, "tracing_of", lambda *_: OtelTracing(provider))
    return exporter


@pytest.fixture
def traced(exporter, pipeline):  # the exporter has to be there first
    return pipeline


@pytest.fixture
def app_tracer():
    """A backend app's own tracing."""
    return TracerProvider(shutdown_on_exit=False).get_tracer("app")


def run(pipeline, *intents):
    handles = pipeline.client.enqueue_many(intents)
    pipeline.finish(*handles)
    pipeline.lane.publisher.run()
    return handles


def spans(exporter, name):
    return [span for span in exporter.get_finished_spans() if span.name == f"feishu_batch.{name}"]


def told(span):
    return {name.removeprefix("feishu_batch."): value for name, value in span.attributes.items()}


def test_one_trace_goes_from_the_producer_to_the_end_and_the_batch_links_to_it(exporter, traced, app_tracer, redis):
    with app_tracer.start_as_current_span("request of a user") as above:
        [handle] = run(traced, intent([1101, 1102, 1103], VALUE))
    [other] = run(traced, intent([1013], VALUE))
    mine, its = sorted(spans(exporter, "intent"), key=lambda span: span.start_time)
    assert mine.context.trace_id == above.get_span_context().trace_id
    assert mine.parent.span_id == above.get_span_context().span_id
    record = redis.hgetall(traced.lane.lane.keys.named("intent:1"))
    assert (mine.start_time, mine.end_time) == (int(record["t"]) * 10**6, int(record["end"]) * 10**6)
    assert (told(mine)["intent"], told(mine)["succeeded"], told(mine)["requests"]) == (handle.intent_id, 3, 1)
    assert mine.status.is_ok or mine.status.is_unset

    assert its.parent is None  # its producer was in no trace
    assert (told(its)["intent"], told(its)["failed"], its.status.is_ok) == (other.intent_id, 1, False)

    first, second = sorted(spans(exporter, "batch_update"), key=lambda span: span.start_time)
    assert [link.context.span_id for link in first.links] == [mine.context.span_id]
    assert [link.context.trace_id for link in first.links] == [mine.context.trace_id]
    assert [link.context.span_id for link in second.links] == [its.context.span_id]
    assert mine.start_time < first.start_time < first.end_time < mine.end_time
    assert (told(first)["items"], told(first)["answer"], told(first)["state"]) == (3, "accepted", "open")
    assert {told(span)["lane"] for span in exporter.get_finished_spans()} == {"default"}

    poll = spans(exporter, "task_result")[0]
    assert (poll.context.trace_id, poll.parent.span_id) == (first.context.trace_id, first.context.span_id)
    assert told(poll)["job"] == told(first)["job"]


def test_no_value_and_no_secret_is_in_a_trace(exporter, traced, sandbox):
    sandbox.set_faults("batch_update:refuse=1x,code=20050")
    run(traced, intent([1201], VALUE, note="a note that is nobody's business"))
    run(traced, intent([1202], VALUE))
    everything = "".join(span.to_json() for span in exporter.get_finished_spans())
    secret = traced.settings.plugin_secret.get_secret_value()
    assert len(spans(exporter, "batch_update")) == 2
    assert [word for word in (VALUE, secret, "nobody's business", "1201") if word in everything] == []


def test_a_request_sent_twice_is_one_trace_with_the_read_back_below(exporter, traced, sandbox):
    sandbox.set_faults("batch_update:drop_after=1x")
    run(traced, intent([1301], VALUE))
    first, again = spans(exporter, "batch_update")
    assert first.context.trace_id == again.context.trace_id
    assert first.context.span_id != again.context.span_id
    assert [told(span)["answer"] for span in (first, again)] == ["outcome_unknown", "idempotency_clash"]
    assert (told(first)["kind"], told(again)["kind"]) == ("new", "reask")
    [*_, seen] = spans(exporter, "read_back")
    assert (seen.parent.span_id, told(seen)["settled"]) == (again.context.span_id, 1)


def test_an_end_that_is_published_twice_is_the_same_span(exporter, traced):
    run(traced, intent([1401], VALUE))
    assert traced.lane.lane.republish_if_ended(1)
    traced.lane.publisher.run()
    ids = {(span.context.trace_id, span.context.span_id) for span in spans(exporter, "intent")}
    assert len(spans(exporter, "intent")) >= 2
    assert len(ids) == 1


def test_what_the_producers_trace_does_not_sample_is_not_exported(exporter, traced):
    above = trace.NonRecordingSpan(trace.SpanContext(5, 6, is_remote=False, trace_flags=trace.TraceFlags(0)))
    with trace.use_span(above):
        run(traced, intent([1501], VALUE))
    assert spans(exporter, "intent") == []
    assert len(spans(exporter, "batch_update")) == 1


def test_a_trace_is_no_part_of_the_content(pipeline, app_tracer, redis):
    wish = intent([1601], VALUE, intent_id="one-and-the-same")
    for name in ("first", "second"):
        with app_tracer.start_as_current_span(name):
            pipeline.client.enqueue(**wish.model_dump(exclude_unset=True))  # no conflict
    pipeline.client.enqueue_many([intent([1602], VALUE)])
    (_, first), (_, second) = redis.xrange(pipeline.runtime.inbox.keys.inbox)
    assert set(first) == {"t", "i", "c", "p"}
    assert set(second) == {"t", "i", "p"}
    assert "trace" not in first["i"]


@pytest.mark.parametrize("text", ["", "nonsense", "00-" + "0" * 32 + "-" + "0" * 16 + "-01", "x" * 10_000])
def test_a_trace_context_that_is_none_is_ignored(exporter, traced, redis, text):
    keys = traced.runtime.inbox.keys
    wish = intent([1701], VALUE)
    redis.hset(keys.ids, wish.intent_id, f"1:{wish.digest()}")
    redis.xadd(keys.inbox, {"t": "1700000000000", "i": wish.to_json(), "c": text}, id="1-0")
    redis.set(keys.sequence, 1)
    traced.finish(traced.client.handle(wish.intent_id))
    traced.lane.publisher.run()
    [span] = spans(exporter, "intent")
    assert span.parent is None


def test_trouble_with_traces_is_no_trouble_of_the_work(exporter, traced, monkeypatch):
    monkeypatch.setattr(exporter, "export", lambda _: 1 / 0)
    monkeypatch.setattr("worker.tracing.otel.trace_id", lambda *_: 1 / 0)
    run(traced, intent([1801], VALUE))


# --- whether ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("otel", "environ", "wanted"),
    [
        ("auto", {}, False),
        ("auto", EXPORTED_TO, True),
        ("auto", {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, True),
        ("auto", {**EXPORTED_TO, "OTEL_TRACES_EXPORTER": "none"}, False),
        ("auto", {**EXPORTED_TO, "OTEL_SDK_DISABLED": "true"}, False),
        ("on", {}, True),
        ("off", EXPORTED_TO, False),
    ],
)
def test_settings_and_standard_variables_decide(otel, environ, wanted):
    tracing = tracing_of(Settings(otel=otel), environ)
    assert isinstance(tracing, OtelTracing) is wanted
    if wanted:
        tracing._provider.shutdown()


def test_without_the_package_on_is_an_error_and_auto_is_off(monkeypatch):
    monkeypatch.setattr("worker.tracing.find_spec", lambda _: None)
    assert type(tracing_of(Settings(otel="auto"), EXPORTED_TO)) is Tracing
    with pytest.raises(ConfigError, match=r"feishu-batch-worker\[otel\]"):
        tracing_of(Settings(otel="on"), {})


def test_without_the_package_everything_works_and_nothing_is_asked_of_it(redis_url, prefix):
    code = f"""
import sys
sys.modules["opentelemetry"] = None  # as if it were not installed; redis-py, too, would import it
from celery import Celery
from config.settings import Settings
from feishu_batch import FeishuBatch
from worker.runtime import build_runtime
settings = Settings(redis_url={redis_url!r}, key_prefix={prefix!r}, plugin_id="p", plugin_secret="s", user_key="u")
build_runtime(settings, Celery(set_as_current=False))
FeishuBatch({redis_url!r}, key_prefix={prefix!r}).enqueue_many([{WISH!r}])
print(sorted(name for name in sys.modules if name in ("worker.tracing.otel", "opentelemetry.trace")))
"""
    env = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    assert (done.stdout, done.returncode) == ("[]\n", 0), done.stderr


def test_a_worker_that_is_not_asked_for_traces_imports_nothing_for_them():
    code = "import sys, worker.runtime; print('worker.tracing.otel' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=PATIENCE)
    assert done.stdout == "False\n"


def test_spans_are_sent_where_the_standard_variables_say(monkeypatch):
    came = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self):
            came.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_args):
            pass

    with HTTPServer(("127.0.0.1", 0), Collector) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        provider = exporting_provider({})
        provider.get_tracer("test").start_span("a span of the test").end()
        provider.shutdown()
        server.shutdown()
        thread.join()
    [(path, body)] = came
    assert path == "/v1/traces"
    assert b"a span of the test" in body
    assert b"feishu-batch" in body
