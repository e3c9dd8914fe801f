"""Changes that were canceled while a batch held them: read before the batch is sent again."""

from typing import Any

from redis import Redis

from feishu_batch.keys import RecordField
from feishu_batch.outcomes import OutcomeKind
from worker.ledger.keys import LaneKeys
from worker.ledger.records import Batch, Cell


class CanceledCells:
    def __init__(self, redis: Redis, keys: LaneKeys) -> None:
        self._redis: Any = redis
        self._keys = keys

    def of(self, batch: Batch) -> tuple[Cell, ...]:
        """Cells of canceled changes. Shared changes continue for the other intents; changes in a batch get no new sharers."""
        canceled = self._canceled(sorted(set(batch.intents)))
        if not canceled:
            return ()
        own = [part for part in batch.parts if part.intent in canceled]
        sharers = self._redis.hmget(self._keys.shared, [f"{part.intent}:{part.cell}" for part in own])
        return tuple(part.cell for part, others in zip(own, sharers, strict=True) if not others)

    def _canceled(self, numbers: list[int]) -> set[int]:
        """Numbers of the intents that were canceled."""
        pipe = self._redis.pipeline(transaction=False)
        for number in numbers:
            pipe.hget(self._keys.intent(number), RecordField.STOPPED)
        return {number for number, kind in zip(numbers, pipe.execute(), strict=True) if kind == OutcomeKind.CANCELED}
