"""A scrape as Prometheus reads it."""

from collections.abc import Mapping
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample
from redis import Redis

from config.settings import Settings
from worker.metrics import render


@dataclass(frozen=True)
class Scrape:
    text: str
    samples: tuple[Sample, ...]

    def value(self, name: str, **labels: str) -> float:
        """Of the one series of that name with at least these labels. `name` without the prefix."""
        [found] = [s for s in self.samples if s.name == f"feishu_batch_{name}" and labels.items() <= s.labels.items()]
        return found.value

    def by(self, label: str, name: str, **labels: str) -> dict[str, float]:
        """The values that are not 0, by one label."""
        every = [s for s in self.samples if s.name == f"feishu_batch_{name}" and labels.items() <= s.labels.items()]
        return {s.labels[label]: s.value for s in every if s.value}

    @property
    def names(self) -> set[str]:
        return {sample.name for sample in self.samples}


def scrape(redis: Redis, prefix: str, **settings: object) -> Scrape:
    given: Mapping[str, object] = {"redis_url": "redis://unused", "key_prefix": prefix, **settings}
    return parsed(render(redis, Settings(**given)).decode())


def parsed(text: str) -> Scrape:
    families = text_string_to_metric_families(text)
    return Scrape(text, tuple(sample for family in families for sample in family.samples))
