"""Which intents wrote, or will write, to a work item. Reads only, and needs no index: nothing is kept per item."""

from importlib.resources import files
from typing import Any, Final

from redis import Redis

LOOK_AT: Final = 500  # intents per step: the server answers others in between
# Open ones are read first, so that an intent that ends meanwhile is found where it has gone.
_SETS: Final = ("open-intents", "ended:succeeded", "ended:failed")


class ItemLog:
    """Of all lanes."""

    def __init__(self, redis: Redis) -> None:
        text = (files("feishu_batch") / "lua" / "find_item.lua").read_text(encoding="utf-8")
        self._script: Any = redis.register_script(text)

    def numbers(self, head: str, item: int) -> list[int]:
        """The intents that name the item, newest first, of the lane whose keys begin with `head`; those in the inbox are not among them."""
        found = {number for name in _SETS for number in self._of_set(head, name, item)}
        return sorted(found, reverse=True)

    def _of_set(self, head: str, name: str, item: int) -> list[int]:
        found: list[int] = []
        highest = "+inf"
        while page := self._script(keys=[head], args=[name, highest, LOOK_AT, item]):
            last, *numbers = page
            found += map(int, numbers)
            highest = f"({last}"
        return found
