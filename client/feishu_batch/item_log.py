"""Which intents wrote, or will write, to a work item. Reads only.

The log has a mark of each item of a small intent, and one mark for every larger intent: what it finds is looked up in the records.
"""

from collections.abc import Iterator
from importlib.resources import files
from typing import Any, Final

from redis import Redis

from feishu_batch.keys import log_blocks_key

# Each byte is below 128, so that the blocks are texts for every client.
LOG_BLOCK: Final = 128  # intents of a block: their places are one byte
MARK_DIGITS: Final = 6  # the last of an item's id: they fit in three bytes
MOST_MARKED: Final = 10  # items; of an intent with more, the search reads the record
MARK_OF_MANY: Final = b"\x7f\x7f\x7f"  # above all marks of items
# Per step: the server answers others in between.
BLOCKS: Final = 500
LOOK_AT: Final = 500  # intents


def mark_of(item: int) -> bytes:
    """The scripts that record make the same (lua/_item_log.lua)."""
    low = item % 10**MARK_DIGITS
    return bytes((low >> 14, low >> 7 & 127, low & 127))


class ItemLog:
    """Of all lanes."""

    def __init__(self, redis: Redis) -> None:
        self._redis: Any = redis
        self._find_marked, self._find_item = (
            redis.register_script((files("feishu_batch") / "lua" / f"{name}.lua").read_text(encoding="utf-8"))
            for name in ("find_marked", "find_item")
        )

    def numbers(self, head: str, item: int) -> list[int]:
        """The intents that name the item, newest first, of the lane whose keys begin with `head`; those in the inbox are not among them."""
        return sorted(self._named(head, item, sorted(set(self._marked(head, item)))), reverse=True)

    def _marked(self, head: str, item: int) -> Iterator[int]:
        blocks = sorted(self._redis.smembers(log_blocks_key(head)))
        for first in range(0, len(blocks), BLOCKS):
            marks = mark_of(item), MARK_OF_MANY
            yield from self._find_marked(keys=[head], args=[*marks, LOG_BLOCK, *blocks[first : first + BLOCKS]])

    def _named(self, head: str, item: int, numbers: list[int]) -> Iterator[int]:
        first = 0
        while first < len(numbers):
            looked_at, *found = self._find_item(keys=[head], args=[item, *numbers[first : first + LOOK_AT]])
            yield from map(int, found)
            first += looked_at
