"""What the fake knows of fields, and which values items have in it. No look-up: a test says what there is."""

from collections.abc import Callable, Collection, Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from feishu_batch.intents import UpdateIntent, UpdateMode

# Field → its options' labels, or None: any value.
Fields = Mapping[str, Collection[str] | None]
Refusal = tuple[str, str]  # code, as intake gives it, and the reason


def refusal(fields: Fields, intent: UpdateIntent) -> Refusal | None:
    """Why intake would refuse the intent, with the fields and options that the test named."""
    if intent.field_key not in fields:
        return "unknown_field", f"no field is called {intent.field_key!r}{_nearest(intent.field_key, fields)}"
    options = fields[intent.field_key]
    if options is None:
        return None
    for value in _members(intent.after_field_value):
        word = label_of(value)
        if word not in options:
            return "unknown_option", f"{intent.field_key} has no option {word!r}{_nearest(str(word), options)}"
    return None


def label_of(value: Any) -> Any:
    """An option is named by its label; ``{"value": "P0"}`` and ``{"label": "P0"}`` name it too."""
    if isinstance(value, Mapping):
        return value.get("label", value.get("value"))
    return value


def values_of(
    intents: Iterable[UpdateIntent], is_applied: Callable[[UpdateIntent, int], bool]
) -> dict[int, dict[str, Any]]:
    """Item → field → value, once all intents have been applied in their order. A cleared field has None."""
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
