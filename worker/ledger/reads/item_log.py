"""Which intents wrote, or will write, to a work item. Reads only, and needs no index: nothing is kept per item."""

from typing import Any

from redis import Redis

from worker.ledger.keys import LaneKeys
from worker.ledger.scripts import Scripts

LOOK_AT = 500  # intents per step: the server answers others in between


class ItemLog:
    """Of all lanes."""

    def __init__(self, redis: Redis) -> None:
        self._scripts = Scripts(redis)

    def numbers(self, keys: LaneKeys, item: int) -> list[int]:
        """The lane's intents that name the item, newest first; the ones in the inbox are not among them.

        Open ones are read first, so that an intent that ends meanwhile is found where it has gone.
        """
        sets = (keys.open_intents, keys.ended("succeeded"), keys.ended("failed"))
        found = {number for key in sets for number in self._of_set(keys, key.removeprefix(keys.head), item)}
        return sorted(found, reverse=True)

    def _of_set(self, keys: LaneKeys, name: str, item: int) -> list[int]:
        script: Any = self._scripts.get("find_item")
        found: list[int] = []
        highest = "+inf"
        while page := script(keys=[keys.head], args=[name, highest, LOOK_AT, item]):
            last, *numbers = page
            found += map(int, numbers)
            highest = f"({last}"
        return found
