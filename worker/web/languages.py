"""The languages of the page: which one a browser gets, and the words of each. Its texts are in one file per language."""

import json
import re
from collections.abc import Mapping
from functools import cache
from html import escape
from pathlib import Path
from typing import Any, Final

from worker.operating.explaining import explained_codes

WORDS: Final = Path(__file__).with_name("words")
PAGE: Final = Path(__file__).with_name("index.html")
ENGLISH: Final = "en"
LANGUAGES: Final = (ENGLISH, "zh")
COOKIE: Final = "status_page_language"  # set by the page's switch; for all pages of the host
CODES: Final = "codes"  # code of a failure → what it means, and what to do
_PLACE: Final = re.compile(r"\{\{([\w.]+)\}\}")
_ASKED: Final = re.compile(r"\s*([A-Za-z]{1,8})(?:-[A-Za-z0-9-]+)?\s*(?:;\s*q=([01](?:\.[0-9]{0,3})?))?\s*")


def language_for(chosen: str | None, accepted: str) -> str:
    """`chosen`: by the switch. `accepted`: the header Accept-Language. English if no language of the page is accepted."""
    if chosen in LANGUAGES:
        return chosen
    asked = [found for part in accepted.split(",") if (found := _ASKED.fullmatch(part))]
    known = [(float(one[2] or 1), one[1].lower()) for one in asked if one[1].lower() in LANGUAGES]
    liked = [language for quality, language in sorted(known, key=lambda one: -one[0]) if quality]
    return liked[0] if liked else ENGLISH


@cache
def words_of(language: str) -> Mapping[str, Any]:
    """Texts by key, and what codes mean under `CODES`: of English, where the codes are defined; else in the language's file."""
    words: dict[str, Any] = json.loads((WORDS / f"{language}.json").read_text(encoding="utf-8"))
    if CODES not in words:
        words[CODES] = explained_codes()
    return words


@cache
def page_in(language: str) -> str:
    """The page with its texts, and all words for its scripts, as data that a browser does not execute."""
    words = words_of(language)
    everything = json.dumps(words, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    found = {**words, "words": everything}
    return _PLACE.sub(
        lambda place: found[place[1]] if place[1] == "words" else escape(found[place[1]]), PAGE.read_text("utf-8")
    )


def in_english(key: str, **values: object) -> str:
    """For programs, and for the log."""
    text: str = words_of(ENGLISH)[key]
    return text.format(**values)
