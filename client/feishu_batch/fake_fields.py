"""The fields of the fake, and the values of its items. No look-ups: the test defines the fields."""

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from difflib import get_close_matches
from typing import Any

from feishu_batch.intents import UpdateIntent, UpdateMode
from feishu_batch.written import Kind, Written

# Field → its options' labels, or None: any value.
Fields = Mapping[str, Collection[str] | None]
Refusal = tuple[str, str]  # code, as from intake, and reason


def refusal(fields: Fields, intent: UpdateIntent) -> Refusal | None:
    """Why intake would refuse the intent, given the fields and options of the test."""
    if intent.field_key not in fields:
        return "unknown_field", f"no field is called {intent.field_key!r}{_nearest(intent.field_key, fields)}"
    options = fields[intent.field_key]
    if options is None:
        return None
    for value in _members(intent.after_field_value):
        written = Written.of(value)
        word = written.as_seen if written else label_of(value)
        if word not in options:
            return "unknown_option", f"{intent.field_key} has no option {word!r}{_nearest(str(word), options)}"
    return None


def label_of(value: Any) -> Any:
    """An option is given by its label; ``{"value": "P0"}`` and ``{"label": "P0"}`` are accepted too. A `Written` value is what the app wrote."""
    if (written := Written.of(value)) is not None:
        return _as_it_was(written)
    if isinstance(value, Mapping):
        is_option = "label" in value or "value" in value
        return value.get("label", value.get("value")) if is_option else {name: label_of(value[name]) for name in value}
    return value


def _as_it_was(written: Written) -> Any:
    if written.kind is Kind.NUMBER:
        return Decimal(written.text)
    if written.kind is Kind.DATE:
        is_moment = "T" in written.text
        return datetime.fromisoformat(written.text) if is_moment else date.fromisoformat(written.text)
    return written.text == "TRUE" if written.kind is Kind.BOOLEAN else written.text


def values_of(
    intents: Iterable[UpdateIntent], is_applied: Callable[[UpdateIntent, int], bool]
) -> dict[int, dict[str, Any]]:
    """Item → field → value, after all intents were applied in order. A cleared field has None."""
    items: dict[int, dict[str, Any]] = {}
    for intent in intents:
        for item in intent.work_item_ids:
            if is_applied(intent, item):
                held = items.setdefault(item, {})
                held[intent.field_key] = _changed(held.get(intent.field_key), intent)
    return items


def _changed(held: Any, intent: UpdateIntent) -> Any:
    after = _labels(intent.after_field_value)
    if intent.update_mode is UpdateMode.APPEND:
        present = [] if held is None else list(_members(held))
        return present + [one for one in _members(after) if one not in present]
    if intent.update_mode is UpdateMode.REPLACE:
        return _replaced(held, _labels(intent.before_field_value), after)
    return None if after in ("", []) else after


def _replaced(held: Any, before: Any, after: Any) -> Any:
    if isinstance(held, list):
        gone = list(_members(before))
        if not all(one in held for one in gone):
            return held
        kept = [one for one in held if one not in gone]
        return kept + [one for one in _members(after) if one not in kept]
    return after if held == before else held


def _labels(value: Any) -> Any:
    return [label_of(one) for one in value] if isinstance(value, list) else label_of(value)


def _members(value: Any) -> Iterable[Any]:
    if value in (None, ""):
        return []
    return value if isinstance(value, list) else [value]


def _nearest(word: str, known: Collection[str]) -> str:
    near = get_close_matches(word, list(known), n=1)
    return f"; the nearest is {near[0]!r}" if near else ""
