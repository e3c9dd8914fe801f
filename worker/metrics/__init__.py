"""Metrics in Prometheus's text format, read from the ledger at each scrape. docs/metrics.md explains each."""

from worker.metrics.exposition import CONTENT_TYPE, render

__all__ = ["CONTENT_TYPE", "render"]
