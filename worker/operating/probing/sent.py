"""The answer to a write of a probe, and what ends a reading or the probe."""

from dataclasses import dataclass

from worker.operating.errors import OperatingError
from worker.remote.errors import RateLimited, RemoteError


class ProbeStoppedError(OperatingError):
    """The probe cannot continue; the message says why."""


class UnsettledError(Exception):
    """The reading cannot be made; the message says why."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What a write was answered. `at`, `answered_at`: when it left and was answered (monotonic); None: not a byte left."""

    error: RemoteError | None
    at: float | None = None
    answered_at: float | None = None
    task_id: str = ""

    @property
    def is_accepted(self) -> bool:
        return self.error is None

    @property
    def is_limited(self) -> bool:
        return isinstance(self.error, RateLimited)
