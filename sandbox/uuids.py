"""X-IDEM-UUID: what a repeat of an executed write gets. Counted within the same token and endpoint."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sandbox import errors
from sandbox.errors import ApiError

REJECTED, REPLAYED, IGNORED = "rejected", "replayed", "ignored"
TREATMENTS = (REJECTED, REPLAYED, IGNORED)

UuidKey = tuple[str, str, str]  # (token, endpoint, uuid)


@dataclass(frozen=True)
class Executed:
    at: float
    data: dict[str, Any]


@dataclass
class Uuids:
    seconds: float = 0.0  # how long a UUID is known; 0: for ever
    executed: dict[UuidKey, Executed] = field(default_factory=dict)

    def once(self, key: UuidKey, treatment: str, at: float, write: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The `data` of the answer. A refused write does not use up its UUID."""
        earlier = self._earlier(key, at) if treatment != IGNORED else None
        if earlier is None:
            data = write()
            self.executed[key] = Executed(at, data)
            return data
        if treatment == REJECTED:
            raise ApiError(errors.IDEMPOTENCY_CLASH)
        return earlier.data

    def clear(self) -> None:
        self.executed.clear()

    def _earlier(self, key: UuidKey, at: float) -> Executed | None:
        found = self.executed.get(key) if key[-1] else None
        return None if found is None or (self.seconds and at - found.at > self.seconds) else found
