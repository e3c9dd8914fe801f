"""The trace that the caller is in, where the app uses OpenTelemetry. This library neither needs nor imports it."""

import re
import sys
from typing import Any

# W3C trace context, version 00: trace id, span id, whether it is sampled.
TRACEPARENT = re.compile("00-([0-9a-f]{32})-([0-9a-f]{16})-0([01])")


def traceparent_in(header: Any) -> str:
    """Of a message's header, whoever wrote it; empty if it is none."""
    return header if isinstance(header, str) and TRACEPARENT.fullmatch(header) else ""


def current_traceparent() -> str:
    """As a W3C `traceparent`; empty where there is none."""
    trace = sys.modules.get("opentelemetry.trace")  # an app that traces has imported it
    if trace is None:
        return ""
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return ""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags & 1:02x}"
