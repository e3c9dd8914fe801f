"""The parts of an intent that may be sent without look-ups: certain keys, and values that cannot be names.

If a label is sent as an option, or an e-mail address as a person, the remote system reports success and stores nothing, or the text.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from feishu_batch.intents import UpdateIntent, UpdateMode
from feishu_batch.written import Written
from worker.catalogue.types import TEXT_TYPES, USER_TYPES
from worker.catalogue.untyped import is_structured
from worker.writing.people import may_be_rounded, people_in

# The keys that every item type has, with their types. Other fields have keys like field_a1b2c3; any other word may be a name.
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
_ADDRESS = re.compile(r"[^\s@<>]+@[^\s@<>]+")
_NAME_AND_ADDRESS = re.compile(r"[^@<>]*<[^\s@<>]+@[^\s@<>]+>")


def is_surely_key(field: str) -> bool:
    return field in SYSTEM_FIELDS or is_own_key(field)


def is_own_key(field: str) -> bool:
    """The key of one field in any item type. The key of a system field is only a word for a type without that field."""
    return _FIELD_KEY.fullmatch(field) is not None


def is_surely_user_key(word: str) -> bool:
    """Not a key that a spreadsheet may have rounded: it would belong to another user, or to none."""
    return _USER_KEY.fullmatch(word) is not None and not may_be_rounded(word)


def perhaps_name(intent: UpdateIntent, *, texts_pass: bool = False) -> str | None:
    """The first part of its values that is, or may be, a name.

    A text for a field of unknown type may be the label of an option. So may whatever stands in a cell (`Written`), a number too.
    `texts_pass`: for such a field, only addresses of persons count.
    """
    field_type = SYSTEM_FIELDS.get(intent.field_key)
    if field_type in TEXT_TYPES:
        return None
    values = [intent.after_field_value]
    if intent.update_mode is UpdateMode.REPLACE:
        values.append(intent.before_field_value)
    if intent.is_conditional:
        values.append(intent.expected_field_value)
    judge = _JUDGE.get(field_type or "", _ADDRESSES if texts_pass else _UNKNOWN)
    return next((word for value in values for word in _words(value, judge)), None)


def _is_address(text: str) -> bool:
    """One or several e-mail addresses and nothing else: an address among other words is a text."""
    parts = people_in(text)
    addresses = [part for part in parts if _ADDRESS.fullmatch(part) or _NAME_AND_ADDRESS.fullmatch(part)]
    return bool(addresses) and all(part in addresses or _USER_KEY.fullmatch(part) for part in parts)


def _is_no_user_key(text: str) -> bool:
    return not is_surely_user_key(text.strip())


def _is_any(_text: str) -> bool:
    """The key of an option is never sent alone."""
    return True


@dataclass(frozen=True, slots=True)
class _Judge:
    """Which texts may be names: those of a program, and those that stand in a cell."""

    text: Callable[[str], bool]
    cell: Callable[[str], bool]


_ANY = _Judge(_is_any, _is_any)
_ADDRESSES = _Judge(_is_address, _is_address)
_UNKNOWN = _Judge(text=_is_no_user_key, cell=_is_any)
_JUDGE: Mapping[str, _Judge] = {
    **dict.fromkeys(("select", "multi_select"), _ANY),
    **dict.fromkeys(USER_TYPES, _Judge(_is_no_user_key, _is_no_user_key)),
}


def _words(value: Any, judge: _Judge) -> Iterator[str]:
    """Texts that may be names, and options in a form that the remote system does not store."""
    if (written := Written.of(value)) is not None:
        if not is_structured(written) and judge.cell(written.text):
            yield written.as_seen
    elif isinstance(value, str):
        if value and judge.text(value):
            yield value
    elif isinstance(value, list):
        for member in value:
            yield from _words(member, judge)
    elif isinstance(value, Mapping):
        yield from _words_of_object(value)


def _words_of_object(value: Mapping[str, Any]) -> Iterator[str]:
    """In the API's form, an option has a `value`, and a time span has numbers."""
    if "value" in value:
        yield from _words(value.get("children"), _ANY)
        return
    for part in ("label", "option_id", "start_time", "end_time"):
        yield from _words(value.get(part), _ANY)
