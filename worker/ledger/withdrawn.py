"""Changes that were canceled while a batch held them: read before the batch is sent again."""

from typing import Any

from redis import Redis

from worker.ledger.records import Batch

CANCELED = "c"  # in a record's `stop`


class Withdrawn:
    """`prefix`: the lane's."""

    def __init__(self, redis: Redis, prefix: str) -> None:
        self._redis: Any = redis
        self._prefix = prefix

    def items(self, batch: Batch) -> tuple[int, ...]:
        """Items that nobody wants changed any more. What others share goes on; nothing that a batch holds is shared anew."""
        canceled = self._canceled(sorted(set(batch.intents)))
        if not canceled:
            return ()
        own = [(item, number) for item, number in zip(batch.items, batch.intents, strict=True) if number in canceled]
        pipe = self._redis.pipeline(transaction=False)
        for item, number in own:
            pipe.hget(f"{self._prefix}shared", f"{number}:{canceled[number]}:{item}")
        return tuple(item for (item, _), sharers in zip(own, pipe.execute(), strict=True) if not sharers)

    def _canceled(self, numbers: list[int]) -> dict[int, str]:
        """Number of each intent that was canceled → its column."""
        pipe = self._redis.pipeline(transaction=False)
        for number in numbers:
            pipe.hmget(f"{self._prefix}intent:{number}", "stop", "g")
        told = zip(numbers, pipe.execute(), strict=True)
        groups = {number: group for number, (stop, group) in told if stop == CANCELED}
        columns = {group: self._redis.hget(f"{self._prefix}group:{group}", "col") for group in set(groups.values())}
        return {number: columns[group] for number, group in groups.items()}
