"""People as values of fields: user keys and e-mail addresses, looked up before they are sent."""

from typing import Any

from feishu_batch.written import Kind, Written
from worker.catalogue.field_context import FieldContext, with_json
from worker.catalogue.models import AS_TEXT
from worker.writing.people import PersonError, people_in, person_in

ONE, SEVERAL = "a user key or an e-mail address", "user keys or e-mail addresses"
_LONGEST = 10**15  # numbers from here on are rounded by spreadsheets


def person(context: FieldContext, given: Any) -> Any:
    value = with_json(given)
    words = _words(context, ONE, value)
    if len(words) > 1:
        context.refuse(ONE, given, f"these are {len(words)} people")
    return _keys(context, ONE, words)[0]


def persons(context: FieldContext, given: Any) -> Any:
    value = with_json(given)
    if isinstance(value, list):
        words = [word for member in value for word in _words(context, SEVERAL, member, is_one=True)]
    else:
        words = _words(context, SEVERAL, value)
    keys = _keys(context, SEVERAL, words)
    return given if keys == given else keys


def _words(context: FieldContext, wanted: str, value: Any, *, is_one: bool = False) -> list[str]:
    written = Written.of(value)
    if written is not None and written.kind is Kind.TEXT:
        value = written.text
    if isinstance(value, str):
        words = [value] if is_one else _split(value)
        return words or context.refuse(wanted, value)
    if written is not None and written.kind is Kind.NUMBER:
        if not written.text.isdigit() or int(written.text) >= _LONGEST or written.shown not in (None, written.text):
            context.refuse(wanted, value, AS_TEXT)
        return [written.text]
    if isinstance(value, int) and not isinstance(value, bool):
        return [str(value)]  # a number from a program, which is exact
    if isinstance(value, float):
        context.refuse(wanted, value, "a number with a point or an exponent has lost digits of the key")
    return context.refuse(wanted, value)


def _split(text: str) -> list[str]:
    return [text] if text.strip()[:1] in ("[", "(") else people_in(text)


def _keys(context: FieldContext, wanted: str, words: list[str]) -> list[str]:
    try:
        people = [person_in(word) for word in words]
    except PersonError as error:
        context.refuse(wanted, error.word, str(error))
    keys = context.people(people)
    return [keys[one] for one in people]
