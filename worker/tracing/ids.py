"""Ids of traces and spans that every process can compute: they need not be passed on, and a repeat gives the same span."""

from dataclasses import dataclass
from hashlib import blake2b

from feishu_batch.tracing import TRACEPARENT


@dataclass(frozen=True, slots=True)
class Parent:
    """A span of another process, from its traceparent."""

    trace_id: int
    span_id: int
    is_sampled: bool


def parent_of(traceparent: str) -> Parent | None:
    found = TRACEPARENT.fullmatch(traceparent)
    if found is None:
        return None
    parent = Parent(int(found[1], 16), int(found[2], 16), found[3] == "1")
    return parent if parent.trace_id and parent.span_id else None


def trace_id(*parts: object) -> int:
    return _number(parts, 16, b"trace")


def span_id(*parts: object) -> int:
    return _number(parts, 8, b"span")


def _number(parts: tuple[object, ...], size: int, purpose: bytes) -> int:
    text = "\0".join(map(str, parts)).encode()
    return int.from_bytes(blake2b(text, digest_size=size, person=purpose).digest(), "big") or 1
