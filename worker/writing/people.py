"""Who is meant by a word: an e-mail address, perhaps in `Name <address>`, or a user key. What can be neither is refused."""

import re
from typing import Final

from worker.writing.characters import visible
from worker.writing.failures import failure_in

_SEPARATOR: Final = re.compile(r"[,;，；、\n]")
_IN_BRACKETS: Final = re.compile(r"[^<>@]*<\s*(?:mailto:)?([^<>\s]+@[^<>\s]+)\s*>")
_ADDRESS: Final = re.compile(r"(?:mailto:)?([^\s@<>]+@[^\s@<>]+)", re.IGNORECASE)
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
_ENDING: Final = "0000"  # of a rounded key: spreadsheets keep 15 digits of its 19


class PersonError(ValueError):
    """Nobody can be meant by the word; the reason is a clause about it."""

    def __init__(self, word: str, reason: str) -> None:
        super().__init__(f"it {reason}")
        self.word = word


def people_in(text: str) -> list[str]:
    """The words between commas, semicolons and line breaks; of `Name <address>` the name may have a comma itself."""
    return [part.strip() for part in _SEPARATOR.split(text) if part.strip()]


def person_in(text: str) -> str:
    """The address or the key. Raises `PersonError`."""
    word = visible(text).strip()
    if found := _IN_BRACKETS.fullmatch(word) or _ADDRESS.fullmatch(word):
        return found[1]
    if reason := _why_nobody(word):
        raise PersonError(word, reason)
    return word


def may_be_rounded(key: str) -> bool:
    """Whether it is as long as the key that a person has here, and ends like one that a spreadsheet rounded."""
    return len(key) > 15 and key.isdigit() and key.endswith(_ENDING)  # noqa: PLR2004 - digits that a spreadsheet keeps


def _why_nobody(word: str) -> str:
    if word.casefold() in _PLACEHOLDERS:
        return "is a placeholder and nobody; to clear the field, give an empty value"
    if failed := failure_in(word):
        return f"is {failed}, and nobody"
    if word[:1] in "[(":
        return 'is no JSON list, like ["7300000000000000001"]; or write user keys or addresses with commas between them'
    if _OPEN_ID.fullmatch(word):
        return "is an open id, which Feishu Project does not take: give the user key or the e-mail address"
    if _ROUNDED.fullmatch(word):
        return "is a user key that a spreadsheet has rounded: format the column as text and enter it again"
    if not _KEY.fullmatch(word):
        return "is no user key and no e-mail address, and nobody can be looked up by name"
    return ""
