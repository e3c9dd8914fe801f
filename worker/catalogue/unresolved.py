"""What of an intent may be sent while nobody can look it up: what is surely a key, and a value that is no name of anything.

A label sent as an option, or an e-mail address as a person, is answered with success and not stored, or stored as it stands.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from feishu_batch.intents import UpdateIntent, UpdateMode
from worker.catalogue.types import TEXT_TYPES
from worker.writing.people import may_be_rounded

# Keys of every item type, with their types. Any other field has a key like field_a1b2c3; a word may be a name or an alias.
SYSTEM_FIELDS: Mapping[str, str] = {
    "name": "text",
    "description": "multi_text",
    "priority": "select",
    "tags": "multi_select",
    "owner": "user",
    "watchers": "multi_user",
}
_FIELD_KEY = re.compile(r"field_[0-9a-z]{6}")
_USER_KEY = re.compile(r"[0-9]{10,20}")
_SEPARATOR = re.compile(r"[,;，；、\n]")  # between several persons in one text
_ADDRESS = re.compile(r"[^\s@<>]+@[^\s@<>]+")
_NAME_AND_ADDRESS = re.compile(r"[^@<>]*<[^\s@<>]+@[^\s@<>]+>")


def is_surely_key(field: str) -> bool:
    return field in SYSTEM_FIELDS or is_own_key(field)


def is_own_key(field: str) -> bool:
    """The key of one field, whatever the item type; the key of a system field is only a word where a type lacks that field."""
    return _FIELD_KEY.fullmatch(field) is not None


def is_surely_user_key(word: str) -> bool:
    """Not one that a spreadsheet may have rounded: it would be somebody else's, or nobody's."""
    return _USER_KEY.fullmatch(word) is not None and not may_be_rounded(word)


def perhaps_name(intent: UpdateIntent) -> str | None:
    """The first part of its values that is a name, or may be one where nothing tells it from a text."""
    field_type = SYSTEM_FIELDS.get(intent.field_key)
    if field_type in TEXT_TYPES:
        return None
    values = [intent.after_field_value]
    if intent.update_mode is UpdateMode.REPLACE:
        values.append(intent.before_field_value)
    is_name = _IS_NAME.get(field_type or "", _is_address)
    return next((word for value in values for word in _words(value, is_name)), None)


def _is_address(text: str) -> bool:
    """One or several e-mail addresses, and nothing that is no person: a text in which one stands among other words is a text."""
    parts = [part.strip() for part in _SEPARATOR.split(text) if part.strip()]
    addresses = [part for part in parts if _ADDRESS.fullmatch(part) or _NAME_AND_ADDRESS.fullmatch(part)]
    return bool(addresses) and all(part in addresses or _USER_KEY.fullmatch(part) for part in parts)


def _is_no_user_key(text: str) -> bool:
    return not is_surely_user_key(text.strip())


def _is_any(_text: str) -> bool:
    """The key of an option never stands alone."""
    return True


_IS_NAME: Mapping[str, Callable[[str], bool]] = {
    **dict.fromkeys(("select", "multi_select"), _is_any),
    **dict.fromkeys(("user", "multi_user"), _is_no_user_key),
}


def _words(value: Any, is_name: Callable[[str], bool]) -> Iterator[str]:
    """Texts that are names; and what stands for an option in a shape that is stored as nothing."""
    if isinstance(value, str):
        if value and is_name(value):
            yield value
    elif isinstance(value, list):
        for member in value:
            yield from _words(member, is_name)
    elif isinstance(value, Mapping):
        yield from _words_of_object(value)


def _words_of_object(value: Mapping[str, Any]) -> Iterator[str]:
    """The API's own shape of an option has a `value`; of a time span, numbers."""
    if "value" in value:
        yield from _words(value.get("children"), _is_any)
        return
    for part in ("label", "option_id", "start_time", "end_time"):
        yield from _words(value.get(part), _is_any)
