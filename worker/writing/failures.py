"""Texts of failures in a table: errors of spreadsheets, and the words of programs for "no value"."""

import re
from typing import Final

from worker.writing.characters import visible

# Excel, WPS, LibreOffice and others: #REF!, #DIV/0!, #NAME?, #N/A, #SPILL!, #BEZUG!, #¡VALOR!, #名称?, Err:502, and a column too
# narrow for its number.
_ERROR: Final = re.compile(
    r"#[¡¿]?[A-ZÀ-ÖØ-Þ][A-ZÀ-ÖØ-Þ0-9/_.]{0,20}[!?]|#(?:名称|名稱)[?]|#N/A(?: N/A)?|#N/D|#N/V|#NV|#N/DISP|#GETTING_DATA|#ERROR|#[0-9]?ERR|#{2,}"
    r"|(?:Err|错误|錯誤) ?: ?[0-9]{3}|-?1\.#(?:QNAN|SNAN|IND|INF)0*"
)
_NOTHING: Final = re.compile(
    r"[+-]?(?:nan|inf|infinity)|<na>|nat|\(null\)|<null>|\[null\]|\\n|undefined|\[object object\]", re.IGNORECASE
)
_NONE: Final = frozenset({"None", "null", "NULL", "Null"})


def failure_in(text: str) -> str | None:
    """What the text is, if it is not a value: a clause that follows “is”."""
    word = visible(text).strip()
    if len(word) > 40 or not word:  # noqa: PLR2004 - all of them are shorter
        return None
    if word[0] in "#E错錯-1" and _ERROR.fullmatch(word):
        return (
            "an error of a spreadsheet"
            if word.strip("#")
            else "the text that a spreadsheet shows in a column that is too narrow"
        )
    if word in _NONE or _NOTHING.fullmatch(word):
        return "a word that programs write for no value"
    return None
