"""A value as a person writes it, in the shape that the API takes for the field's type.

What has the API's shape already is passed on untouched; what can only mean one thing is converted; what certainly cannot work is
refused. Shapes of types that the official page does not describe are not judged.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any, NoReturn

from feishu_batch.values import INT64_MAX
from worker.catalogue.models import Code, RefusedError, shown
from worker.catalogue.naming import named
from worker.catalogue.options import Options
from worker.remote.models import Field

# The user key of each of these e-mail addresses. Raises `UnavailableError`, and `RefusedError` for one that nobody has.
People = Callable[[list[str]], Mapping[str, str]]

_LIST = re.compile(r"[,;，；、\n]")
_INTEGER = re.compile(r"[0-9]{1,19}")
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")
_TRUTH = {
    **dict.fromkeys(("true", "yes", "是", "1"), True),
    **dict.fromkeys(("false", "no", "否", "0"), False),
}
_WRITTEN_DATE = re.compile(
    r"(?P<year>[0-9]{4})\s?(?:[/.-]|年)\s?(?P<month>[0-9]{1,2})\s?(?:[/.-]|月)\s?(?P<day>[0-9]{1,2})\s?日?"
    r"(?:[ T]\s*(?P<hour>[0-9]{1,2}):(?P<rest>[0-9]{2}(?::[0-9]{2})?))?"
)
_SECONDS = range(946_684_800, 4_102_444_800)  # of the years 2000 to 2099
_DAYS, _DAY = range(19000101, 21000000), r"(19|20)[0-9]{2}(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])"
_EDGES = ("start_time", "end_time")


@dataclass(frozen=True, slots=True)
class Taking:
    """One field, and what its values are understood by. `is_target`: whether it is the value that items get."""

    field: Field
    options: Options
    people: People
    zone: tzinfo
    is_target: bool = True

    def refuse(self, wanted: str, given: Any) -> NoReturn:
        got = (
            f", not {shown(_as_written(given))}" if isinstance(given, str | int | float) else f", not a {_kind(given)}"
        )
        raise RefusedError(
            Code.BAD_VALUE, f"{named(self.field)} is of type {self.field.type_key}, which takes {wanted}{got}"
        )


def is_empty(value: Any) -> bool:
    """Clears the field, whatever its type."""
    return value is None or value in ("", [])


def taken(taking: Taking, given: Any) -> Any:
    """Raises `RefusedError`, and `UnavailableError` where people have to be looked up."""
    take = _BY_TYPE.get(taking.field.type_key)
    return given if take is None or is_empty(given) else take(taking, given)


def _text(taking: Taking, given: Any) -> Any:
    if isinstance(given, str):
        return given
    if isinstance(given, int) and not isinstance(given, bool):
        return str(given)  # a cell of a file that holds digits only
    return taking.refuse("a text (put it in quotes)", given)


def _rich_text(taking: Taking, given: Any) -> Any:
    return given if isinstance(given, dict | list) else _text(taking, given)


def _urls(taking: Taking, given: Any) -> Any:
    if isinstance(given, str):
        return [given]
    if isinstance(given, list) and all(isinstance(one, str) for one in given):
        return given
    return taking.refuse("a list of addresses", given)


def _number(taking: Taking, given: Any) -> Any:
    if isinstance(given, int | float) and not isinstance(given, bool) and math.isfinite(given):
        return given
    if isinstance(given, str) and _NUMBER.fullmatch(given.strip()):
        text = given.strip()
        number = float(text) if "." in text else int(text)
        if abs(number) <= INT64_MAX:
            return number
    return taking.refuse("a number", given)


def _bool(taking: Taking, given: Any) -> Any:
    if isinstance(given, bool):
        return given
    word = str(given).strip().lower() if isinstance(given, str | int) else ""
    if word in _TRUTH:
        return _TRUTH[word]
    return taking.refuse("true or false", given)


def _date(taking: Taking, given: Any) -> Any:
    if isinstance(given, int) and not isinstance(given, bool) and not _is_no_millisecond(given):
        return given
    if isinstance(given, str):
        text = given.strip()
        if re.fullmatch(r"-?[0-9]{11,15}", text):
            return int(text)
        if (moment := _moment(text, taking.zone)) is not None:
            return moment
    return taking.refuse("a date like 2030-01-31 or 2030-01-31T18:00:00+08:00, or unix milliseconds", given)


def _is_no_millisecond(number: int) -> bool:
    """Seconds, or a day like 20300131: as milliseconds both would be early in 1970, and stored without a word."""
    return number in _SECONDS or (number in _DAYS and re.fullmatch(_DAY, str(number)) is not None)


def _moment(text: str, zone: tzinfo) -> int | None:
    """Unix milliseconds of an ISO date or time; one without an offset is meant in `zone`."""
    try:
        moment = datetime.fromisoformat(_iso(text))
        aware = moment if moment.utcoffset() is not None else moment.replace(tzinfo=zone)
        return round(aware.timestamp() * 1000)
    except (ValueError, OverflowError):
        return None


def _iso(text: str) -> str:
    """What begins with the year says so without doubt; spreadsheets leave zeros out: ``2030/1/31 8:05``, ``2030年1月31日``."""
    found = _WRITTEN_DATE.fullmatch(text)
    if found is None:
        return text
    day = f"{found['year']}-{int(found['month']):02}-{int(found['day']):02}"
    return f"{day}T{int(found['hour']):02}:{found['rest']}" if found["hour"] else day


def _schedule(taking: Taking, given: Any) -> Any:
    wanted = 'a time span like {"start_time": …, "end_time": …} or 2030-01-31/2030-02-28'
    if isinstance(given, str):
        ends = given.split("/") if given.count("/") == 1 else re.split(r"\s+(?:to|–|-|~|至)\s+|~", given)
        if len(ends) != len(_EDGES):
            taking.refuse(wanted, given)
        given = dict(zip(_EDGES, ends, strict=True))
    if not isinstance(given, Mapping) or not given.keys() & set(
        _EDGES
    ):  # other keys are answered with success, and not stored
        taking.refuse(wanted, given)
    edges = {edge: _date(taking, given[edge]) for edge in _EDGES if given.get(edge) is not None}
    if len(edges) == len(_EDGES) and edges[_EDGES[1]] < edges[_EDGES[0]]:
        taking.refuse("a time span that ends after its start", given)
    return given if all(given[edge] is value for edge, value in edges.items()) else {**given, **edges}


def _option(taking: Taking, given: Any) -> Any:
    return taking.options.flat(given, is_target=taking.is_target)


def _tree(taking: Taking, given: Any) -> Any:
    return taking.options.tree(given, is_target=taking.is_target)


def _each(one: Callable[[Taking, Any], Any]) -> Callable[[Taking, Any], Any]:
    """For fields with several values: a list, a text with commas between them, or a single one."""

    def each(taking: Taking, given: Any) -> Any:
        if isinstance(given, list):
            converted = [one(taking, member) for member in given]
            return given if all(new is old for new, old in zip(converted, given, strict=True)) else converted
        if not isinstance(given, str):
            return [one(taking, given)]
        try:
            return [one(taking, given)]  # a name may have a comma itself
        except RefusedError:
            parts = [part.strip() for part in _LIST.split(given) if part.strip()]
            if len(parts) < 2:  # noqa: PLR2004 - there was nothing to be split
                raise
            return [one(taking, part) for part in parts]

    return each


def _person(taking: Taking, given: Any) -> Any:
    if isinstance(given, str) and _may_be_person(given):
        return _people(taking, [given])[0]
    if isinstance(given, int) and not isinstance(given, bool):
        return str(given)  # a cell of a file that holds digits only
    return taking.refuse("a user key or an e-mail address", given)


def _persons(taking: Taking, given: Any) -> Any:
    words = [part.strip() for part in _LIST.split(given) if part.strip()] if isinstance(given, str) else given
    words = words if isinstance(words, list) else [words]
    if not all(isinstance(word, str | int) and not isinstance(word, bool) for word in words):
        taking.refuse("user keys or e-mail addresses", given)
    if (name := next((word for word in words if isinstance(word, str) and not _may_be_person(word)), None)) is not None:
        taking.refuse("user keys or e-mail addresses", name)
    keys = _people(taking, [str(word) for word in words])
    return given if keys == given else keys


def _may_be_person(word: str) -> bool:
    """Nobody can be looked up by name, and no user key has a space or a letter beyond ASCII."""
    return "@" in word or (word.isascii() and len(word.split()) == 1)


def _people(taking: Taking, words: list[str]) -> list[str]:
    """User keys have no @; all addresses are asked for at once."""
    addresses = [word.strip() for word in words if "@" in word]
    if not addresses:
        return words
    keys = taking.people(addresses)
    return [keys[word.strip()] if "@" in word else word for word in words]


def _item(taking: Taking, given: Any) -> Any:
    if isinstance(given, int) and not isinstance(given, bool) and given > 0:
        return given
    if isinstance(given, str) and _INTEGER.fullmatch(given.strip()) and 0 < int(given) <= INT64_MAX:
        return int(given)
    return taking.refuse("the id of a work item", given)


def _as_written(given: str | float) -> str:
    return json.dumps(given) if isinstance(given, bool) else str(given)


def _kind(given: Any) -> str:
    return {dict: "JSON object", list: "list", bool: "truth value"}.get(type(given), "value of that kind")


_BY_TYPE: Mapping[str, Callable[[Taking, Any], Any]] = {
    **dict.fromkeys(("text", "multi_pure_text", "link", "email", "telephone"), _text),
    "multi_text": _rich_text,
    "link_cloud_doc": _urls,
    "number": _number,
    "bool": _bool,
    "date": _date,
    "precise_date": _date,
    "schedule": _schedule,
    "select": _option,
    "radio": _option,
    "multi_select": _each(_option),
    "tree_select": _tree,
    "tree_multi_select": _each(_tree),
    "user": _person,
    "multi_user": _persons,
    "work_item_related_select": _item,
    "work_item_related_multi_select": _each(_item),
}
