"""Characters that look like others, or like nothing at all."""

import re
import unicodedata
from typing import Final

# Zero-width spaces and joiners, marks of direction and byte order, the soft hyphen: pasted along, and never seen.
INVISIBLE: Final = (
    "\u00ad\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2061\u2062\u2063\u2064\ufeff"
)
_INVISIBLE: Final = re.compile(f"[{INVISIBLE}]")


def plain(text: str) -> str:
    """With ordinary blanks, digits and punctuation in place of no-break, full-width and similar ones; nothing is left out.

    A superscript stays one: m² is not m2.
    """
    return text if text.isascii() else "".join(map(_plain, text))


def _plain(one: str) -> str:
    return one if unicodedata.category(one) == "No" else unicodedata.normalize("NFKC", one)


def visible(text: str) -> str:
    """As `plain`, and without what nobody sees."""
    return text if text.isascii() else _INVISIBLE.sub("", plain(text))


def one_line(text: str) -> str:
    """A name as people compare it, but for its case: visible, with single blanks between its words."""
    return " ".join(visible(text).split())


def odd_character(text: str) -> str | None:
    """The first character that is not what it looks like, by its name in Unicode."""
    for one in text:
        if one in INVISIBLE or (one.isspace() and one != " ") or not one.isprintable():
            return f"U+{ord(one):04X} ({unicodedata.name(one, 'a control character').lower()})"
    return None
