"""Numbers as people write them. An accepted number equals the written one; an ambiguous text is refused, with both readings."""

import re
from decimal import Decimal
from typing import Final

from worker.writing.characters import plain

_LONGEST: Final = 400  # characters
_PLAIN: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)")
_EXPONENT: Final = re.compile(r"[+-]?[0-9]+\.?[0-9]*[eE][+-]?[0-9]{1,3}")
_PERCENT: Final = re.compile(r"([+-]?[0-9]+(?:\.[0-9]+)?) ?%")
_GROUPED: Final = re.compile(r"[+-]?[0-9]{1,3}(?:[,.'’ _][0-9]{3})+(?:[.,][0-9]+)?")
_COMMA: Final = re.compile(r"[+-]?[0-9]+,[0-9]+")
_AROUND: Final = re.compile(r"^[^\d+\-.(]*|[^\d.]*$")


class NumberError(ValueError):
    """The text is not a number, or not one that can be sent; the message is a clause that follows the text, or empty."""


def number_in(text: str) -> int | float:
    """Plain decimal digits, with a sign and a point. Raises `NumberError`."""
    word = plain(text).strip().replace("\u2212", "-")
    if len(word) > _LONGEST:
        raise NumberError("it is too long for a number")
    if _PLAIN.fullmatch(word):
        return exact(Decimal(word))
    if _EXPONENT.fullmatch(word):
        return _with_exponent(word)
    raise NumberError(_reason(word))


def exact(number: Decimal) -> int | float:
    """The same number as JSON. Raises `NumberError` for a number with more digits than a JSON number keeps."""
    try:
        kept = float(number)
        is_same = Decimal(repr(kept)) == number
    except (OverflowError, ArithmeticError):
        is_same = False
    if not is_same:
        raise NumberError("a number keeps 15 to 17 digits, so another number would be stored")
    return int(kept) if kept.is_integer() and abs(kept) < 2**63 else kept


def _with_exponent(word: str) -> float:
    """The form in which programs write a float, and spreadsheets a rounded number."""
    if repr(float(word)) == word:
        return float(word)
    full = format(Decimal(word), "f")
    raise NumberError(f"a spreadsheet shows rounded numbers so: write {full} in full, if it is exactly that")


def _reason(word: str) -> str:
    if percent := _PERCENT.fullmatch(word):
        share = format((Decimal(percent[1]) / 100).normalize(), "f")
        return f"it may be {share} or {percent[1]}: write the one that the field counts in"
    if _GROUPED.fullmatch(word):
        whole = re.sub(r"[^\d+-]", "", word)
        if word.count(",") + word.count(".") > 1 or not re.search("[,.]", word):
            return f"write it without digit groups, like {whole}"
        return f"it may be {whole} or {re.sub('[,.]', '.', word)}: write the intended one without digit groups"
    if _COMMA.fullmatch(word):
        return f"write it with a point: {word.replace(',', '.')}"
    return ""


def is_same_number(number: str, shown: str) -> bool:
    """Whether the shown text is the number of the cell, except for digit groups, a currency or more zeros."""
    word = plain(shown).replace("\u2212", "-").strip()
    if "%" in word or re.search(r"[0-9][eE]", word):
        return False
    negative = word.startswith("(") and word.endswith(")")
    digits = re.sub(r"[,' ’]", "", _AROUND.sub("", word.strip("()")))
    if not _PLAIN.fullmatch(digits):
        return False
    return (-Decimal(digits) if negative else Decimal(digits)) == Decimal(number)
