"""Look-alike and invisible characters."""

import re
import unicodedata
from typing import Final

# Zero-width spaces and joiners, direction and byte order marks, the soft hyphen: often pasted with text, and invisible.
INVISIBLE: Final = (
    "\u00ad\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2061\u2062\u2063\u2064\ufeff"
)
_INVISIBLE: Final = re.compile(f"[{INVISIBLE}]")


def plain(text: str) -> str:
    """With ordinary spaces, digits and punctuation instead of no-break, full-width and similar ones; no character is removed.

    A superscript stays one: m² is not m2.
    """
    return text if text.isascii() else "".join(map(_plain, text))


def _plain(one: str) -> str:
    return one if unicodedata.category(one) == "No" else unicodedata.normalize("NFKC", one)


def visible(text: str) -> str:
    """As `plain`, and without invisible characters."""
    return text if text.isascii() else _INVISIBLE.sub("", plain(text))


def one_line(text: str) -> str:
    """A name for comparison, except for its case: visible characters, with single spaces between words."""
    return " ".join(visible(text).split())


def odd_character(text: str) -> str | None:
    """The first look-alike or invisible character, with its Unicode name."""
    for one in text:
        if one in INVISIBLE or (one.isspace() and one != " ") or not one.isprintable():
            return f"U+{ord(one):04X} ({unicodedata.name(one, 'a control character').lower()})"
    return None
