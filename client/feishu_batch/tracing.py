"""The caller's trace, if the app uses OpenTelemetry. This library does not import OpenTelemetry itself."""

import re
import sys
from typing import Any

# W3C trace context, version 00: trace id, span id, whether it is sampled.
TRACEPARENT = re.compile("00-([0-9a-f]{32})-([0-9a-f]{16})-0([01])")


def traceparent_in(header: Any) -> str:
    """The traceparent in a message's header; empty if the header is not a valid one."""
    return header if isinstance(header, str) and TRACEPARENT.fullmatch(header) else ""


def current_traceparent() -> str:
    """A W3C `traceparent`; empty if there is no trace."""
    trace = sys.modules.get("opentelemetry.trace")  # an app with tracing has imported it
    if trace is None:
        return ""
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return ""
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags & 1:02x}"
