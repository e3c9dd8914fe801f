"""To whom a broker's database and a ledger belong, as the databases themselves remember it.

Queues have fixed names: of two deployments with one broker database, each would take the other's Celery tasks.
And open work is meant for one remote system: under other settings it would go to another one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from redis import Redis

BROKER_OWNER = "feishu-batch:broker-owner"  # under no prefix: deployments with different prefixes have to see it


@dataclass(frozen=True, slots=True)
class Owner:
    """A ledger: its key prefix, and the name that it was given when it was first used."""

    prefix: str
    ledger: str

    @classmethod
    def parse(cls, text: str) -> "Owner":
        ledger, _, prefix = text.partition(" ")
        return cls(prefix, ledger)

    def __str__(self) -> str:
        return f"{self.ledger} {self.prefix}"


@dataclass(frozen=True, slots=True)
class OpenWork:
    """Intents that have not ended: in the inbox, and in each lane."""

    inbox: int
    lanes: Mapping[str, int]

    def of(self, lane: str) -> int:
        return self.inbox + self.lanes.get(lane, 0)


class Belonging:
    """Of one ledger. Every method is one or two round trips."""

    def __init__(self, redis: Redis, prefix: str) -> None:
        self._redis: Any = redis
        self._prefix = prefix
        self._name_key, self.remotes_key = f"{prefix}:{{front}}:name", f"{prefix}:{{front}}:remotes"

    def owner(self) -> Owner | None:
        """None: the ledger was never used."""
        name = self._redis.get(self._name_key)
        return Owner(self._prefix, name) if name else None

    def named_owner(self) -> Owner:
        self._redis.set(self._name_key, uuid4().hex, nx=True)
        return Owner(self._prefix, self._redis.get(self._name_key))

    def remotes(self) -> dict[str, str]:
        """Lane → the remote system that its work is meant for."""
        known: dict[str, str] = self._redis.hgetall(self.remotes_key)
        return known

    def note_remotes(self, remotes: Mapping[str, str]) -> None:
        self._redis.hset(self.remotes_key, mapping=dict(remotes))

    def open_work(self, lanes: Mapping[str, object]) -> OpenWork:
        pipe = self._redis.pipeline(transaction=False)
        pipe.xlen(f"{self._prefix}:{{front}}:inbox")
        for lane in lanes:
            pipe.zcard(f"{self._prefix}:{{{lane}}}:open-intents")
        inbox, *counts = pipe.execute()
        return OpenWork(inbox, dict(zip(lanes, counts, strict=True)))


def broker_owner(broker: Redis) -> Owner | None:
    client: Any = broker
    text = client.get(BROKER_OWNER)
    return Owner.parse(text) if text else None


def claim_broker(broker: Redis, owner: Owner) -> Owner:
    """Whose it is: ours, unless another ledger had it before."""
    client: Any = broker
    client.set(BROKER_OWNER, str(owner), nx=True)
    return broker_owner(broker) or owner
