"""The person that a text names: an e-mail address, perhaps in `Name <address>`, or a user key. Other texts are refused."""

import re
from typing import Final

from worker.writing.characters import visible
from worker.writing.failures import failure_in

_SEPARATORS: Final = ",;，；、\n"
# Quotes around a name before its address hold a separator together.
_PART: Final = re.compile(rf'(?:"[^"]*"(?=\s*<)|[^{_SEPARATORS}])+')
_ONE_ADDRESS: Final = rf"(?:mailto:)?([^\s@<>{_SEPARATORS}]+@[^\s@<>{_SEPARATORS}]+)"
# The name may contain a comma, other separators only in quotes.
_IN_BRACKETS: Final = re.compile(rf'(?:"[^"<>@]*"\s*|[^<>@;；、]*)<\s*{_ONE_ADDRESS}\s*>', re.IGNORECASE)
_ADDRESS: Final = re.compile(_ONE_ADDRESS, re.IGNORECASE)
_KEY: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")
_OPEN_ID: Final = re.compile(r"(?:ou|on|oc)_[0-9A-Za-z]+")
_ROUNDED: Final = re.compile(r"[0-9]+\.?[0-9]*[eE]\+?[0-9]+|[0-9]+\.[0-9]+")
_PLACEHOLDERS: Final = frozenset(
    [
        "tbd",
        "tba",
        "todo",
        "n/a",
        "na",
        "nobody",
        "none",
        "null",
        "unknown",
        "unassigned",
        "-",
        "--",
        "—",
        "–",
        "/",
        "?",
        "??",
        ".",
        "x",
        "xx",
        "xxx",
        "无",
        "暂无",
        "待定",
        "未定",
        "空",
        "未知",
        "未分配",
    ]
)
_ENDING: Final = "0000"  # of a rounded key: spreadsheets keep 15 of its 19 digits


class PersonError(ValueError):
    """The text cannot name a person; the message is a clause about it."""

    def __init__(self, word: str, reason: str) -> None:
        super().__init__(f"it {reason}")
        self.word = word


def people_in(text: str) -> list[str]:
    """The parts between commas, semicolons and line breaks. The name in a single `Name <address>` may contain one."""
    try:
        return [person_in(text)]
    except PersonError:
        return _parts(text)


def person_in(text: str) -> str:
    """The address or the key. Raises `PersonError`."""
    word = visible(text).strip()
    if (found := _IN_BRACKETS.fullmatch(word)) and not _begins_with_key(word):
        return found[1]
    if found := _ADDRESS.fullmatch(word):
        return found[1]
    if reason := _why_no_person(word):
        raise PersonError(word, reason)
    return word


def _begins_with_key(word: str) -> bool:
    """Of a `Name <address>`: whether another person's key and a separator stand before the name."""
    return any(part.isdigit() for part in _parts(word)[:-1])


def _parts(text: str) -> list[str]:
    return [part.strip() for part in _PART.findall(text) if part.strip()]


def may_be_rounded(key: str) -> bool:
    """Whether the key has the length of a user key, and the ending of one that a spreadsheet rounded."""
    return len(key) > 15 and key.isdigit() and key.endswith(_ENDING)  # noqa: PLR2004 - digits that a spreadsheet keeps


def _why_no_person(word: str) -> str:
    if word.casefold() in _PLACEHOLDERS:
        return "is a placeholder, not a person; to clear the field, give an empty value"
    if failed := failure_in(word):
        return f"is {failed}, not a person"
    if word[:1] in "[(":
        return 'is not a JSON list, like ["7300000000000000001"]; or write user keys or addresses separated by commas'
    if _OPEN_ID.fullmatch(word):
        return "is an open id, which Feishu Project does not accept: give the user key or the e-mail address"
    if _ROUNDED.fullmatch(word):
        return "is a user key that a spreadsheet has rounded: format the column as text and enter it again"
    if not _KEY.fullmatch(word):
        return "is not a user key and not an e-mail address, and people cannot be looked up by name"
    return ""
