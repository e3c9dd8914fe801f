"""Ids of work items as people write them: one, several, ranges, links. An ambiguous text is refused, with both readings."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from worker.writing.characters import INVISIBLE, odd_character, plain

MOST_IDS: Final = 10_000
_DASH: Final = r"(?:[-‐–—―−~〜至到]|\.\.|to)"
_GAP: Final = r"\s;,、"
_TOKEN: Final = re.compile(
    rf"(?P<link>https?://[^{_GAP}]+)"
    rf"|(?P<first>#?[0-9]+)(?:{_DASH}| +{_DASH} +)(?P<last>#?[0-9]+)(?=[{_GAP}]|$)"
    rf"|(?P<word>[^{_GAP}]+)|(?P<gap>[{_GAP}]+)"
)
_LINK: Final = re.compile(r"https?://[^/]+/(?P<space>[^/?#]+)/(?P<type>[^/?#]+)/detail/(?P<id>[0-9]+)/?(?:[?#].*)?")
_GROUPED: Final = re.compile(r"[1-9][0-9]{0,2}(?:[.'’`_][0-9]{3})+")
_WHOLE: Final = re.compile(r"([0-9]{1,15})\.0+")  # 1001.0: a program treated the column as numbers
_HEAD, _GROUP = re.compile(r"#?[1-9][0-9]{0,2}"), re.compile(r"[0-9]{3}")
_SHOWN: Final = 40


class IdError(ValueError):
    """The text is not an id, or is ambiguous; the message says which."""


@dataclass(slots=True)
class Ids:
    """`ranged`: how many of the ids were written as ranges. `places`: (space, item type) of the links among them."""

    ids: list[int] = field(default_factory=list)
    ranged: int = 0
    places: list[tuple[str, str]] = field(default_factory=list)


def ids_in(text: str) -> Ids:
    """Several ids separated by commas, semicolons, spaces or line breaks, or a JSON list. Raises `IdError`."""
    word = text.strip()
    if word.isascii() and word.isdigit() and word[0] != "0":
        return Ids([_number(word)])
    if word.startswith("["):
        return Ids(list(_listed(word)))
    found = Ids()
    before, gap = "", ""
    for token in _TOKEN.finditer(plain(word.replace("，", ";"))):
        if token["gap"]:
            gap = token["gap"]
            continue
        _refuse_group(before, gap, token[0])
        _add(found, token)
        before, gap = token[0], ""
    return found


def one_id(text: str) -> int:
    """Raises `IdError` also for several."""
    found = ids_in(text)
    if len(found.ids) != 1:
        raise IdError(f"{_shown(text)} names {len(found.ids)} work items, not one")
    return found.ids[0]


def _add(found: Ids, token: re.Match[str]) -> None:
    if token["link"]:
        link = _LINK.fullmatch(token["link"])
        if link is None:
            raise IdError(
                f"{_shown(token['link'])} is not a link to a work item, like https://…/space/type/detail/1001"
            )
        found.ids.append(_number(link["id"]))
        found.places.append((link["space"], link["type"]))
    elif token["first"]:
        ids = _range(token[0], _number(token["first"].lstrip("#")), _number(token["last"].lstrip("#")))
        found.ids += ids
        found.ranged += len(ids)
    else:
        found.ids.append(_single(token["word"]))


def _single(text: str) -> int:
    word = text.strip(INVISIBLE).lstrip("'’").removeprefix("#")
    if word.isascii() and word.isdigit():
        return _number(word)
    if _GROUPED.fullmatch(word):
        digits = re.sub(r"\D", "", word)
        parts = re.sub(r"\D", " and ", word)
        raise IdError(f"{_shown(text)} may be the id {digits} with digit groups, or {parts}: write the intended one")
    if whole := _WHOLE.fullmatch(word):
        return _number(whole[1])
    raise IdError(f"{_shown(text)} is not a work item id{_hint(word)}")


def _hint(word: str) -> str:
    if re.search(r"\d[.eE]", word):
        return " (a spreadsheet has rounded it: format the column as text)"
    if odd := odd_character(word):
        return f" (it holds the character {odd})"
    return ""


def _number(word: str) -> int:
    if len(word) > 1 and word[0] == "0":
        raise IdError(
            f"{_shown(word)} begins with 0, unlike every work item id: write {word.lstrip('0') or 'the id'} if that is the id"
        )
    if word == "0" or len(word) > 20:  # noqa: PLR2004 - an int64 has 19
        raise IdError(f"{_shown(word)} is not a work item id")
    return int(word)


def _range(text: str, first: int, last: int) -> range:
    if last < first:
        raise IdError(f"the range {_shown(text)} ends before it begins: write both ids in full, the smaller one first")
    if last - first >= MOST_IDS:
        raise IdError(f"the range {_shown(text)} has {last - first + 1:,} ids; at most {MOST_IDS:,} are allowed")
    return range(first, last + 1)


def _refuse_group(before: str, gap: str, word: str) -> None:
    """`1,120` and `1 120`: one to three digits, one comma or blank, and exactly three digits."""
    if gap not in (",", " ") or not (_HEAD.fullmatch(before) and _GROUP.fullmatch(word)):
        return
    joined, parts = before.lstrip("#") + word, f"{before} and {word}"
    raise IdError(
        f"{_shown(before + gap + word)} may be the id {joined} with digit groups, or {parts}:"
        f" write {joined}, or {before};{word}"
    )


def _listed(text: str) -> Iterator[int]:
    try:
        members = json.loads(text)
    except (ValueError, RecursionError):
        raise IdError(f"{_shown(text)} begins like a list but is not one; a list looks like [1001, 1002]") from None
    for member in members:
        if isinstance(member, str):
            yield _single(plain(member).strip())
        elif isinstance(member, int) and not isinstance(member, bool) and member > 0:
            yield member
        else:
            raise IdError(f"{_shown(json.dumps(member))} is not a work item id")


def _shown(word: str) -> str:
    return repr(word if len(word) <= _SHOWN else word[:_SHOWN] + "…")
