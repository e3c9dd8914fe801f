"""From the ledger to Prometheus's text format. No state between two scrapes, and no global state."""

from collections.abc import Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector
from redis import Redis

from config.lanes import lane_names
from config.settings import Settings
from feishu_batch.change_set import SetCounts
from worker.metrics.definitions import INBOX_AGE, INBOX_INTENTS, METRICS, Histogram, Metric, MetricKind
from worker.metrics.reading import LaneState, read_inbox, read_lane
from worker.metrics.sets import SET_METRICS, SetMetric, names_of, read_newest_sets

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
States = Sequence[tuple[str, LaneState]]  # by lane


class LedgerCollector(Collector):
    def __init__(self, redis: Redis, settings: Settings) -> None:
        self._redis = redis
        self._settings = settings

    def collect(self) -> Iterator[Family]:
        settings = self._settings
        inbox = read_inbox(self._redis, settings.key_prefix)
        states = [(name, self._read(name)) for name in lane_names(settings)]
        yield GaugeMetricFamily(*INBOX_INTENTS, value=inbox.intents)
        yield GaugeMetricFamily(*INBOX_AGE, value=inbox.oldest_age)
        for metric in METRICS:
            yield _histogram(metric, states) if isinstance(metric, Histogram) else _plain(metric, states)
        sets = read_newest_sets(self._redis, settings.key_prefix, names_of(settings))
        for of_sets in SET_METRICS:
            yield _of_sets(of_sets, sets)

    def _read(self, lane: str) -> LaneState:
        settings = self._settings
        return read_lane(
            self._redis, settings.key_prefix, lane, slot=settings.slot_seconds, max_open=settings.max_open_jobs
        )


def render(redis: Redis, settings: Settings) -> bytes:
    """The exposition of all lanes of the settings. Raises `RedisError`."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(LedgerCollector(redis, settings))
    return generate_latest(registry)


def _plain(metric: Metric, states: States) -> Family:
    kind = CounterMetricFamily if metric.kind is MetricKind.COUNTER else GaugeMetricFamily
    family = kind(metric.name, metric.meaning, labels=("lane", *metric.labels))
    for lane, state in states:
        for labels, value in metric.read(state).items():
            family.add_metric((lane, *labels), value)
    return family


def _of_sets(metric: SetMetric, sets: Mapping[str, SetCounts]) -> Family:
    family = GaugeMetricFamily(metric.name, metric.meaning, labels=("set", *metric.labels))
    for name, counts in sets.items():
        for labels, value in metric.read(counts).items():
            family.add_metric((name, *labels), value)
    return family


def _histogram(histogram: Histogram, states: States) -> Family:
    family = HistogramMetricFamily(histogram.name, histogram.meaning, labels=("lane",))
    for lane, state in states:
        buckets, total = histogram.read(state)
        family.add_metric((lane,), buckets, total)
    return family
