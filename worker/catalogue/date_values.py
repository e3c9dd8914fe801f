"""Dates, times and time spans as values of fields: unix milliseconds."""

import re
from collections.abc import Mapping
from typing import Any

from feishu_batch.written import Kind, Written
from worker.catalogue.field_context import FieldContext, with_json
from worker.writing.dates import DateError, milliseconds_in, milliseconds_of

DATE = "a date like 2030-01-31 or 2030-01-31T18:00:00+08:00, or unix milliseconds"
SPAN = 'a time span like {"start_time": …, "end_time": …} or 2030-01-31/2030-02-28'
DATE_OR_SPAN = "a date like 2030-01-31, or a time span like 2030-01-31/2030-02-28, or unix milliseconds"
_EDGES = ("start_time", "end_time")
_BETWEEN = re.compile(r"\s+(?:to|–|—|-|~|～|至|到)\s+|[~～至]")


def date(context: FieldContext, given: Any) -> Any:
    return _milliseconds(context, given, DATE)


def schedule(context: FieldContext, given: Any) -> Any:
    return _span(context, given, SPAN)


def precise_date(context: FieldContext, given: Any) -> Any:
    """Official pages disagree whether it is one time or a time span, so both are accepted."""
    value = with_json(given)
    if isinstance(value, Mapping) and Written.of(value) is None:
        return _span(context, given, DATE_OR_SPAN)
    if isinstance(value, str) and len(_ends(value)) == len(_EDGES):
        return _span(context, given, DATE_OR_SPAN)
    return _milliseconds(context, given, DATE_OR_SPAN)


def _milliseconds(context: FieldContext, given: Any, wanted: str) -> Any:
    value = with_json(given)
    written = Written.of(value)
    try:
        if isinstance(value, str):
            return milliseconds_in(value, context.zone)
        if written is not None and written.kind is Kind.DATE:
            return milliseconds_in(written.text, context.zone)
        if written is not None and written.kind is Kind.NUMBER:
            return milliseconds_of(written.text)
        if isinstance(value, int | float) and not isinstance(value, bool):
            found = milliseconds_of(format(value, "f") if isinstance(value, float) else str(value))
            return value if found == value and isinstance(value, int) else found
    except DateError as error:
        context.refuse(wanted, given, str(error))
    return context.refuse(wanted, given)


def _span(context: FieldContext, given: Any, wanted: str) -> Any:
    value = with_json(given)
    if isinstance(value, str):
        ends = _ends(value)
        if len(ends) != len(_EDGES):
            context.refuse(wanted, given)
        value = dict(zip(_EDGES, ends, strict=True))
    # with other keys the remote system reports success but stores nothing
    if not isinstance(value, Mapping) or not value.keys() & set(_EDGES):
        context.refuse(wanted, given)
    edges = {edge: _milliseconds(context, value[edge], DATE) for edge in _EDGES if value.get(edge) is not None}
    if len(edges) == len(_EDGES) and edges[_EDGES[1]] < edges[_EDGES[0]]:
        context.refuse("a time span that ends after its start", given)
    return given if value is given and all(value[edge] is one for edge, one in edges.items()) else {**value, **edges}


def _ends(text: str) -> list[str]:
    return text.split("/") if text.count("/") == 1 else _BETWEEN.split(text)
