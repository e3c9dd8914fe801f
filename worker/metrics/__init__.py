"""Metrics in Prometheus's text format, read from the ledger when they are asked for. docs/metrics.md explains each."""

from worker.metrics.exposition import CONTENT_TYPE, render

__all__ = ["CONTENT_TYPE", "render"]
