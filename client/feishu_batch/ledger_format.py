"""Which format of the ledger this version reads and writes, and what Redis holds.

The number stands in `InboxKeys.format`. The first process that writes to an empty ledger writes it; nothing changes it later.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, Final

from feishu_batch.errors import LedgerFormatError
from feishu_batch.keys import InboxKeys

FORMAT: Final = 4
BEFORE: Final = 1  # the format of ledgers that hold data and no number
NOT_OURS: Final = -3  # what the script answers instead of whether a hint is wanted, with the format that it found


def signs_of_data(keys: InboxKeys) -> tuple[str, ...]:
    """Any of these exists in a ledger that ever had an intent."""
    return keys.sequence, keys.ids, keys.inbox


@cache
def placed_in_front(script: str) -> str:
    """The script with this version's number in it."""
    return f"local FORMAT, FORMAT_BEFORE, NOT_OURS = '{FORMAT}', '{BEFORE}', {NOT_OURS}\n{script}"


def ask(pipe: Any, keys: InboxKeys) -> None:
    """Two commands of the pipe; `refuse_other` takes their answers."""
    pipe.get(keys.format)
    pipe.exists(*signs_of_data(keys))


def refuse_other(prefix: str, answers: Sequence[Any]) -> None:
    """Raises `LedgerFormatError` unless the ledger has this version's format, or is empty."""
    found, has_data = answers
    if found is None and not has_data:
        return
    number = BEFORE if found is None else found
    text = number.decode(errors="replace") if isinstance(number, bytes) else str(number)
    if text != str(FORMAT):
        raise LedgerFormatError(sentence(prefix, text))


def sentence(prefix: str, found: str) -> str:
    """What is there, what this version wants, what to do."""
    what = f"the ledger {prefix!r} in this Redis has format {found[:40]}, and this version needs format {FORMAT}; nothing was changed"
    if found.isascii() and found.isdigit() and int(found) < FORMAT:
        return (
            f"{what}. Let the older version finish the work in it; then give this version an empty Redis, or another key prefix"
            " (FEISHU_BATCH_KEY_PREFIX)"
        )
    return (
        f"{what}. Install the version of feishu-batch that the other processes of this ledger run, or use another key prefix"
        " (FEISHU_BATCH_KEY_PREFIX)"
    )
