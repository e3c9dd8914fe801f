"""What waits in a lane, as a plan of coming intents needs to know it. Reads only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from redis import Redis

from feishu_batch.intents import UpdateMode
from feishu_batch.keys import RecordField
from worker.ledger.fields import GroupField
from worker.ledger.keys import LaneKeys
from worker.ledger.reads.ledger import LedgerReads
from worker.ledger.records import GroupSpec

CHUNK = 500  # commands per round trip


@dataclass(frozen=True, slots=True)
class Tail:
    """The newest change of a cell. `group` is the spec of a pending change's group as JSON; None: it is in a request."""

    group: str | None
    is_owner: bool = False
    keeps: bool = False
    sharers: int = 0

    @property
    def gives_way(self) -> bool:
        """To a later UPDATE of the cell."""
        spec = GroupSpec.from_json(self.group) if self.group else None
        return spec is not None and spec.update_mode == UpdateMode.UPDATE and spec.expected is None


class LaneBacklog:
    """Cells are named by column ("<project_key> <field_key>") and item."""

    def __init__(self, redis: Redis, prefix: str, lane: str) -> None:
        self._redis: Any = redis
        self._reads = LedgerReads(redis, prefix)
        self._lane, self._keys = lane, LaneKeys(prefix, lane)
        self._groups: dict[str, str | None] = {}  # number → spec

    def tails(self, column: str, items: Sequence[int]) -> dict[int, Tail]:
        """Of the cells of one column that have any change."""
        number = self._redis.hget(self._keys.columns, column)
        if number is None:
            return {}
        lines = self._reads.lines(self._lane, number, [str(item) for item in items])
        newest = {item: (line.behind[-1] if line.behind else line.owner) for item, line in lines.items() if line.owner}
        pending = {item: intent for item, intent in newest.items() if intent and "@" not in intent}
        records = self._records(sorted(set(pending.values())))
        names = {item: f"{intent}:{number}:{item}" for item, intent in pending.items()}
        sharers = self._reads.sharers(self._lane, list(names.values()))
        found: dict[int, Tail] = {}
        for item in newest:
            group, keeps = records.get(pending.get(item, ""), (None, None))
            shared_by = len(sharers.get(names.get(item, ""), ()))
            found[int(item)] = Tail(self._spec(group), not lines[item].behind, bool(keeps), shared_by)
        return found

    def ready(self, specs: Sequence[str]) -> dict[str, int]:
        """Changes that may be sent now, of each group that has any."""
        digests = [blake2b(spec.encode(), digest_size=12).hexdigest() for spec in specs]
        known = self._redis.hmget(self._keys.groups, digests) if digests else []
        groups = {spec: group for spec, group in zip(specs, known, strict=True) if group}
        pipe = self._redis.pipeline(transaction=False)
        for group in groups.values():
            pipe.zcard(self._keys.ready(group))
        return dict(zip(groups, pipe.execute(), strict=True))

    def _records(self, numbers: Sequence[str]) -> Mapping[str, tuple[str | None, str | None]]:
        found: dict[str, tuple[str | None, str | None]] = {}
        for start in range(0, len(numbers), CHUNK):
            part = numbers[start : start + CHUNK]
            pipe = self._redis.pipeline(transaction=False)
            for number in part:
                place = self._keys.of_intent(number)
                pipe.hmget(place.record, RecordField.GROUP, RecordField.KEEP_EVERY_CHANGE)
            found |= {number: tuple(row) for number, row in zip(part, pipe.execute(), strict=True)}
        return found

    def _spec(self, group: str | None) -> str | None:
        if group is None:
            return None
        if group not in self._groups:
            self._groups[group] = self._redis.hget(self._keys.group(group), GroupField.SPEC)
        return self._groups[group]
