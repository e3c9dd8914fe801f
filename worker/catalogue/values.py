"""Converts written values to the API's form for the field's type: the one place for files, commands, programs and schedules.

A value in the API's form is passed on unchanged; an unambiguous value is converted; a value that cannot work or is ambiguous is
refused. Values of types that the official page does not describe are not checked.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from feishu_batch.values import INT64_MAX
from feishu_batch.written import Kind, Written, holds_written
from worker.catalogue import date_values, persons
from worker.catalogue.field_context import FieldContext, structured, with_json
from worker.catalogue.models import AS_TEXT, Code, RefusedError
from worker.catalogue.naming import named
from worker.catalogue.untyped import UnclearError, read_alone
from worker.writing.characters import plain
from worker.writing.ids import IdError, ids_in, one_id
from worker.writing.numbers import NumberError, exact, is_same_number, number_in

_LIST = re.compile(r"[,;，；、\n]")
_ADDRESSES = re.compile(r"[\s,;，；、]+(?=https?://)|[\n;；、]+")
_MOST_DIGITS = 15  # of a number that was typed into a spreadsheet and not computed
_TRUTH = {
    **dict.fromkeys(("true", "yes", "是", "1"), True),
    **dict.fromkeys(("false", "no", "否", "0"), False),
}


def is_empty(value: Any) -> bool:
    """Whether the value clears a field of any type."""
    return value is None or value in ("", [])


def taken(context: FieldContext, given: Any) -> Any:
    """Raises `RefusedError`, and `UnavailableError` if people cannot be looked up."""
    if is_empty(given):
        return given
    take = _BY_TYPE.get(context.field.type_key)
    return take(context, given) if take else _undescribed(context, given)


def _undescribed(context: FieldContext, given: Any) -> Any:
    if not holds_written(given):
        return given
    try:
        return read_alone(given)
    except UnclearError as error:
        why = f"the values of {named(context.field)} of type {context.field.type_key} are not documented, and {error}"
        raise RefusedError(Code.BAD_VALUE, f"{why}: give it as JSON, in a JSON Lines file or from a program") from None


# --- texts ------------------------------------------------------------------------------------------------------------


def _text(context: FieldContext, given: Any) -> Any:
    written = Written.of(given)
    if written is not None:
        return _WRITTEN_TEXT.get(written.kind, _no_text)(context, written)
    if isinstance(given, str):
        return given
    if isinstance(given, int) and not isinstance(given, bool):
        return str(given)
    return context.refuse("a text", given, "a program gives it in quotes")


def _letter_by_letter(context: FieldContext, written: Written) -> str:
    """Quotes around a number may mark it as text, or may be part of the text."""
    text = written.text.strip()
    if text[:1] == '"' == text[-1:] and _is_json_literal(text[1:-1]):
        reason = f"write {text[1:-1]}, which is sent as this text; or with its quotes in a JSON Lines file"
        context.refuse("a text", written.to_json(), reason)
    return written.text


def _is_json_literal(text: str) -> bool:
    try:
        return not isinstance(json.loads(text), str)
    except (ValueError, RecursionError):
        return False


def _text_of_number(context: FieldContext, written: Written) -> str:
    digits = written.text.lstrip("-").replace(".", "").lstrip("0")
    if written.shown is None and "." in written.text and len(digits) > _MOST_DIGITS:
        context.refuse("a text", written.to_json(), "it was computed and has more digits than shown: round it")
    return written.as_seen


def _no_text(context: FieldContext, written: Written) -> str:
    return context.refuse("a text", written.to_json(), AS_TEXT)


_WRITTEN_TEXT: Mapping[Kind, Callable[[FieldContext, Written], str]] = {
    Kind.TEXT: _letter_by_letter,
    Kind.NUMBER: _text_of_number,
    Kind.BOOLEAN: lambda _taking, written: written.as_seen,
}


def _rich_text(context: FieldContext, given: Any) -> Any:
    is_shape = isinstance(given, dict | list) and not holds_written(given)
    return given if is_shape else _text(context, given)


def _urls(context: FieldContext, given: Any) -> Any:
    value = with_json(given)
    if isinstance(value, str):
        value = [part for part in _ADDRESSES.split(value.strip()) if part]
    if isinstance(value, list) and all(isinstance(one, str) and one for one in value):
        if value is not given and (odd := next((one for one in value if len(one.split()) > 1), None)):
            context.refuse("a list of addresses", odd)
        return value
    return context.refuse("a list of addresses", given)


# --- numbers and truth ------------------------------------------------------------------------------------------------


def _number(context: FieldContext, given: Any) -> Any:
    value = with_json(given)
    written = Written.of(value)
    try:
        if isinstance(value, str):
            return number_in(value)
        if written is not None and written.kind is Kind.NUMBER:
            return _stored(context, written)
    except NumberError as error:
        context.refuse("a number", given, str(error))
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return value
    return context.refuse("a number", given)


def _stored(context: FieldContext, written: Written) -> int | float:
    if written.shown is not None and not is_same_number(written.text, written.shown):
        context.refuse("a number", written.to_json(), f"the cell contains {written.text}: write the intended number")
    return exact(Decimal(written.text))


def _bool(context: FieldContext, given: Any) -> Any:
    value = with_json(given)
    if isinstance(value, bool):
        return value
    written = Written.of(value)
    if written is not None and written.kind in (Kind.BOOLEAN, Kind.NUMBER):
        value = written.as_seen
    word = plain(str(value)).strip().lower() if isinstance(value, str | int) else ""
    if word in _TRUTH:
        return _TRUTH[word]
    return context.refuse("true, yes, 是 or 1, and false, no, 否 or 0", given)


# --- options and work items -------------------------------------------------------------------------------------------


def _option(context: FieldContext, given: Any) -> Any:
    return context.options.flat(structured(given), is_target=context.is_target)


def _tree(context: FieldContext, given: Any) -> Any:
    return context.options.tree(structured(given), is_target=context.is_target)


def _each_option(one: Callable[[FieldContext, Any], Any]) -> Callable[[FieldContext, Any], Any]:
    """For fields with several options: a list, a text with commas, or a single option."""

    def each(context: FieldContext, given: Any) -> Any:
        value = structured(given)
        if isinstance(value, list):
            converted = [one(context, member) for member in value]
            same = value is given and all(new is old for new, old in zip(converted, value, strict=True))
            return given if same else converted
        try:
            return [one(context, value)]  # a name may contain a comma
        except RefusedError:
            parts = _parts(value)
            if len(parts) < 2:  # noqa: PLR2004 - nothing to split
                raise
            return [one(context, part) for part in parts]

    return each


def _parts(value: Any) -> list[str]:
    if not isinstance(value, str) or value.strip()[:1] in ("[", "("):
        return []
    return [part.strip() for part in _LIST.split(value) if part.strip()]


def _item(context: FieldContext, given: Any) -> Any:
    return _items_of(context, given, "the id of a work item", is_one=True)[0]


def _items(context: FieldContext, given: Any) -> Any:
    value = with_json(given)
    if not isinstance(value, list):
        return _items_of(context, value, "ids of work items")
    converted = [item for one in value for item in _items_of(context, one, "ids of work items", is_one=True)]
    return given if converted == given and value is given else converted


def _items_of(context: FieldContext, given: Any, wanted: str, *, is_one: bool = False) -> list[int]:
    value = with_json(given)
    written = Written.of(value)
    if written is not None and written.kind is Kind.NUMBER:
        value = _same_id(context, written, wanted)
    try:
        if isinstance(value, str) and value.strip():
            ids = [one_id(value)] if is_one else ids_in(value).ids
        else:
            ids = [value] if isinstance(value, int) and not isinstance(value, bool) else []
    except IdError as error:
        context.refuse(wanted, given, str(error))
    if not ids or not all(0 < one <= INT64_MAX for one in ids):
        context.refuse(wanted, given)
    return ids


def _same_id(context: FieldContext, written: Written, wanted: str) -> str:
    """A number of a workbook, if the sheet shows the same number, perhaps with digit groups."""
    if written.shown is not None and re.sub(r"[,\s'’]", "", written.shown).removeprefix("#") != written.text:
        context.refuse(wanted, written.to_json(), f"the cell contains {written.text}: write the intended number")
    return written.text


_BY_TYPE: Mapping[str, Callable[[FieldContext, Any], Any]] = {
    **dict.fromkeys(("text", "multi_pure_text", "link", "email", "telephone"), _text),
    "multi_text": _rich_text,
    "link_cloud_doc": _urls,
    "number": _number,
    "bool": _bool,
    "date": date_values.date,
    "precise_date": date_values.precise_date,
    "schedule": date_values.schedule,
    "select": _option,
    "radio": _option,
    "multi_select": _each_option(_option),
    "tree_select": _tree,
    "tree_multi_select": _each_option(_tree),
    "user": persons.person,
    "multi_user": persons.persons,
    "work_item_related_select": _item,
    "work_item_related_multi_select": _items,
}
