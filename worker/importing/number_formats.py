"""The text that a spreadsheet program shows for a number: its format may show something else than the stored number.

After ECMA-376 part 1, 18.8.30 (numFmts). Pure functions; None if the text depends on the program's language or is not certain.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from enum import Enum
from functools import lru_cache
from typing import Final, NamedTuple

GENERAL: Final = "General"
_LANGUAGE: Final = "\0"  # a format that differs for each language
_DAY, _TIME = 'yyyy"年"m"月"d"日"', 'h"时"mm"分"'
# Formats that a file names by number only. 27 to 36 and 50 to 58 are those of the Chinese programs.
BUILTIN: Final = {
    0: GENERAL, 1: "0", 2: "0.00", 3: "#,##0", 4: "#,##0.00",
    5: _LANGUAGE, 6: _LANGUAGE, 7: _LANGUAGE, 8: _LANGUAGE,
    9: "0%", 10: "0.00%", 11: "0.00E+00", 12: "# ?/?", 13: "# ??/??",
    14: "[$-F800]yyyy/m/d", 15: "d-mmm-yy", 16: "d-mmm", 17: "mmm-yy",
    18: "h:mm AM/PM", 19: "h:mm:ss AM/PM", 20: "h:mm", 21: "h:mm:ss", 22: "[$-F800]yyyy/m/d h:mm",
    27: 'yyyy"年"m"月"', 28: 'm"月"d"日"', 29: 'm"月"d"日"', 30: "m-d-yy", 31: _DAY, 32: _TIME, 33: f'{_TIME}ss"秒"',
    34: f"AM/PM{_TIME}", 35: f'AM/PM{_TIME}ss"秒"', 36: 'yyyy"年"m"月"',
    37: "#,##0;(#,##0)", 38: "#,##0;(#,##0)", 39: "#,##0.00;(#,##0.00)", 40: "#,##0.00;(#,##0.00)",
    41: _LANGUAGE, 42: _LANGUAGE, 43: _LANGUAGE, 44: _LANGUAGE, 45: "mm:ss", 46: "[h]:mm:ss", 47: "mm:ss.0",
    48: "##0.0E+0", 49: "@",
    50: 'yyyy"年"m"月"', 51: 'm"月"d"日"', 52: 'yyyy"年"m"月"', 53: 'm"月"d"日"', 54: 'm"月"d"日"',
    55: f"AM/PM{_TIME}", 56: f'AM/PM{_TIME}ss"秒"', 57: 'yyyy"年"m"月"', 58: 'm"月"d"日"',
}  # fmt: skip

_TOKEN: Final = re.compile(
    r'"(?P<quoted>[^"]*)"?|\\(?P<escaped>.)|[_*].|\[(?P<bracket>[^\]]*)\]?'
    r"|(?P<general>General)|(?P<half>AM/PM|A/P|上午/下午)|(?P<exponent>E[+-])"
    r"|(?P<date>y+|m+|d+|h+|s+|a{3,}|e+|g+|b+)|(?P<digit>[0#?])|(?P<mark>[.,%/@])|(?P<other>.)",
    re.IGNORECASE | re.DOTALL,
)
_CURRENCY: Final = re.compile(r"\$([^-]*)(-.*)?")
_ELAPSED: Final = re.compile(r"h+|m+|s+", re.IGNORECASE)
_COLOR: Final = re.compile(
    r"black|blue|cyan|green|magenta|red|white|yellow|color ?\d+|黑色?|蓝色?|绿色?|红色?|白色?|黄色?", re.IGNORECASE
)
_DIGITS: Final = 15  # kept and shown by a spreadsheet program


class FormatKind(Enum):
    NUMBER = "number"
    DATE = "date"  # or a moment
    TIME = "time"  # of a day
    ELAPSED = "elapsed"


class _Token(NamedTuple):
    kind: str  # literal, digit, mark, date, general, exponent, half, elapsed, unknown
    text: str


@lru_cache(maxsize=1024)
def kind_of(code: str) -> FormatKind:
    kinds = [token for section in _sections(code) for token in section]
    if any(token.kind == "elapsed" for token in kinds):
        return FormatKind.ELAPSED
    letters = {token.text[0].lower() for token in kinds if token.kind == "date"}
    if letters & set("ydaegb") or (letters == {"m"} and "0" not in code):
        return FormatKind.DATE
    return FormatKind.TIME if letters or any(token.kind == "half" for token in kinds) else FormatKind.NUMBER


def shown_number(number: float, code: str) -> str | None:
    """`code`: a number format of kind number."""
    if code == _LANGUAGE:
        return None
    exact = Decimal(f"{number:.{_DIGITS}g}")
    sections = _sections(code)
    place = _section_of(exact, len(sections))
    section = sections[place]
    if any(token.kind in ("unknown", "date", "half", "elapsed") for token in section):
        return None
    sign = "-" if exact < 0 and place == 0 else ""
    try:
        return _filled(abs(exact), section, sign)
    except InvalidOperation:  # more digits than a decimal holds
        return None


def shown_moment(moment: datetime, code: str) -> str | None:
    """`code`: a format of a date, a date with time, or a time. Names of months and days, and AM/PM, depend on the language."""
    result = []
    section = _sections(code)[0]
    for place, token in enumerate(section):
        if token.kind == "date":
            one = _shown_part(moment, token.text.lower(), _is_minute(section, place))
            if one is None:
                return None
            result.append(one)
        elif token.kind == "literal" or token.text in ("/", ",", "."):
            result.append(token.text)
        else:
            return None
    return "".join(result).strip()


@lru_cache(maxsize=1024)
def _sections(code: str) -> tuple[tuple[_Token, ...], ...]:
    sections: list[list[_Token]] = [[]]
    for found in _TOKEN.finditer(code):
        token = _token(found)
        if token == _Token("mark", ";"):
            sections.append([])
        elif token:
            sections[-1].append(token)
    return tuple(tuple(section) for section in sections)


def _token(found: re.Match[str]) -> _Token | None:
    kind = found.lastgroup or ""
    text: str = found[kind] if kind else ""
    if kind in ("quoted", "escaped"):
        return _Token("literal", text)
    if kind == "bracket":
        return _bracket(text)
    if kind == "other":
        return (
            _Token("mark", ";")
            if text == ";"
            else _Token("unknown" if text.isalpha() and text.isascii() else "literal", text)
        )
    return _Token(kind, text) if kind else None


def _bracket(text: str) -> _Token | None:
    """A color does not change the text, a currency is part of it; a condition or a localized date is not certain."""
    if _COLOR.fullmatch(text):
        return None
    if _ELAPSED.fullmatch(text):
        return _Token("elapsed", text)
    if (currency := _CURRENCY.fullmatch(text)) and (currency[2] or "").upper() not in ("-F800", "-F400"):
        return _Token("literal", currency[1]) if currency[1] else None
    return _Token("unknown", text)


def _section_of(number: Decimal, count: int) -> int:
    """Positive; negative; zero; text."""
    if number < 0 and count > 1:
        return 1
    return 2 if number == 0 and count > 2 else 0  # noqa: PLR2004


# --- numbers --------------------------------------------------------------------------------------------------------


def _filled(number: Decimal, section: Sequence[_Token], sign: str) -> str | None:
    """`number`: not negative."""
    if any(token.kind == "general" or token.text == "@" for token in section):
        plain = general(number)
        result = "".join(plain if token.kind == "general" or token.text == "@" else token.text for token in section)
        return sign + result.strip()
    if any(token.kind == "exponent" for token in section):
        return _scientific(number, section, sign)
    places = [at for at, token in enumerate(section) if token.kind == "digit"]
    if not places:
        return "".join(token.text for token in section).strip() if not sign else None
    first, last = places[0], places[-1]
    if any(token.text == "/" and token.kind == "mark" for token in section[first:last]):
        return None  # a fraction
    after = section[last + 1 :]
    thousands = next((at for at, token in enumerate(after) if token != _Token("mark", ",")), len(after))
    percent = sum(token == _Token("mark", "%") for token in section)
    body = _digits(number * 100**percent / 1000**thousands, section[first : last + 1])
    if body is None or (sign and not body.strip("0.,")):
        return None
    before = "".join(token.text for token in section[:first])
    return f"{sign}{before}{body}{''.join(token.text for token in after[thousands:])}".strip()


def _digits(number: Decimal, tokens: Sequence[_Token]) -> str | None:
    """The digits in the places of a format, from the first place to the last."""
    point = next((at for at, token in enumerate(tokens) if token == _Token("mark", ".")), len(tokens))
    whole, rest = tokens[:point], [token for token in tokens[point + 1 :] if token.kind == "digit"]
    if len(rest) != max(0, len(tokens) - point - 1):
        return None  # there is other text among the decimals
    rounded = number.quantize(Decimal(1).scaleb(-len(rest)), ROUND_HALF_UP)
    integer, _, decimals = f"{rounded:f}".partition(".")
    kept = len(rest)
    while kept and rest[kept - 1].text != "0" and decimals[kept - 1] == "0":
        kept -= 1
    result = _whole(integer.lstrip("0"), whole)
    return f"{result}.{decimals[:kept]}" if point < len(tokens) else result


def _whole(digits: str, tokens: Sequence[_Token]) -> str:
    """Filled from the right; the remaining digits go to the first place."""
    result: list[str] = []
    left = digits
    count = 0
    is_grouped = any(token == _Token("mark", ",") for token in tokens)
    places = [at for at, token in enumerate(tokens) if token.kind == "digit"]
    for at in range(len(tokens) - 1, -1, -1):
        token = tokens[at]
        if token.kind != "digit":
            result.insert(0, "" if token == _Token("mark", ",") else token.text)
            continue
        must = any(tokens[other].text == "0" for other in places if other <= at)
        while left or must:
            result.insert(0, f"{left[-1:] or '0'}{',' if is_grouped and count and count % 3 == 0 else ''}")
            left, count, must = left[:-1], count + 1, False
            if at != places[0]:
                break
    return "".join(result)


def _scientific(number: Decimal, section: Sequence[_Token], sign: str) -> str | None:
    """The usual form with one digit before the point, like 0.00E+00."""
    code = "".join(token.text for token in section)
    found = re.fullmatch(r"0(?:\.(0*))?E([+-])(0+)", code, re.IGNORECASE)
    if not found:
        return None
    mantissa, _, power = f"{number:.{len(found[1] or '')}E}".partition("E")
    plus = "-" if power.startswith("-") else "+" if found[2] == "+" else ""
    return f"{sign}{mantissa}E{plus}{power.lstrip('+-').zfill(len(found[3]))}"


def general(number: Decimal) -> str:
    """All digits, without an exponent."""
    result = f"{number:f}"
    return result.rstrip("0").rstrip(".") if "." in result else result


# --- moments --------------------------------------------------------------------------------------------------------


def _is_minute(section: Sequence[_Token], place: int) -> bool:
    """An m is a minute after an hour and before a second; otherwise a month."""
    dates = [(at, token.text[0].lower()) for at, token in enumerate(section) if token.kind == "date"]
    here = [at for at, _ in dates].index(place)
    before = dates[here - 1][1] if here else ""
    after = dates[here + 1][1] if here + 1 < len(dates) else ""
    return before == "h" or after == "s"


def _shown_part(moment: datetime, part: str, is_minute: bool) -> str | None:
    number = {
        "y": moment.year if len(part) > 2 else moment.year % 100,  # noqa: PLR2004
        "m": moment.minute if is_minute else moment.month,
        "d": moment.day,
        "h": moment.hour,
        "s": moment.second,
    }.get(part[0])
    if number is None or (part[0] != "y" and len(part) > 2):  # noqa: PLR2004
        return None
    width = {"y": 4 if len(part) > 2 else 2}.get(part[0], len(part))  # noqa: PLR2004
    return str(number).zfill(width)
