"""The settings of the work itself: rates, waits and numbers of attempts."""

from typing import Literal, Self

from pydantic import BaseModel, Field, model_validator

from config.fields import ENV_PREFIX, number, seconds

# A lease that ends after two missed heartbeats would change its owner after every short delay.
HEARTBEATS_PER_LEASE = 3
MOST_SINGLE_UPDATES = (
    13  # a second; the endpoint takes 15, and some requests arrive late, together with those of the next second
)


class Pace(BaseModel):
    """The part of `Settings` with slots, leases, waits and attempts."""

    slot_seconds: float = seconds(1, 0.01, 60, "Shortest time between two submits of the lane.")
    poll_slot_seconds: float | None = seconds(None, 0.01, 60, "Shortest time between two polls. Default: SLOT_SECONDS.")
    single_updates_per_second: int = number(
        0,
        0,
        MOST_SINGLE_UPDATES,
        "Requests a second of the item's own write endpoint, used where values differ; 0: this route is off. Its limit is 15 a second.",
    )
    single_items_alone: bool = Field(
        True,
        description="Whether an item is on one route at a time: needed where a single update writes the whole item, and so may undo a batch.",
    )
    daily_requests: int = number(
        0,
        0,
        1_000_000_000,
        "Requests of a lane in a day, of every kind, after which single updates and looks stop until the next day; 0: no cap.",
    )
    http_timeout_seconds: float = seconds(10, 0.1, 120, "How long one call to the remote API may take.")
    max_wait_seconds: float = seconds(
        120,
        0,
        86400,
        "A group whose oldest change has waited longer than this is sent first, full or not, in at most every fourth request.",
    )
    max_open_jobs: int = number(200, 1, 100_000, "Open jobs above which submitting slows down.")

    # Leases, retries and timeouts
    lease_seconds: float = seconds(
        6, 0.3, 300, "Time without a heartbeat after which another worker takes over the lane."
    )
    heartbeat_seconds: float = seconds(
        1, 0.05, 60, "How often the sending worker renews its lease; at most a third of LEASE_SECONDS."
    )
    stall_seconds: float = seconds(
        20, 1, 3600, "Time with messages but without progress after which a worker ends itself, to be restarted."
    )
    sweep_seconds: float = seconds(
        2, 0.1, 300, "How often the sweep searches the ledger for work whose wake-up message was lost."
    )
    grace_seconds: float = seconds(
        20,
        0.1,
        3600,
        "How long a cell stays closed after an unknown outcome, in case the first request still arrives. At least LEASE_SECONDS.",
    )
    read_back_seconds: float = seconds(60, 0, 3600, "How long items are read back until an unproven change is found.")
    verify: Literal["unknown", "sample", "all"] = Field(
        "unknown",
        description="Which changes are read back: those with an unknown outcome, also a sample of the others, or all.",
    )
    verify_share: float = number(0.05, 0, 1, "The share of the jobs that VERIFY=sample reads back.")
    max_attempts: int = number(8, 1, 100, "How often a change is sent before it fails.")
    backoff_seconds: float = seconds(
        0.5, 0.01, 60, "Pause after the first transient error; it doubles with each further one."
    )
    backoff_max_seconds: float = seconds(60, 0.01, 3600, "Longest pause between two attempts.")

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.lease_seconds < HEARTBEATS_PER_LEASE * self.heartbeat_seconds:
            raise ValueError(
                f"{ENV_PREFIX}LEASE_SECONDS must be at least {HEARTBEATS_PER_LEASE} times {ENV_PREFIX}HEARTBEAT_SECONDS"
            )
        if self.grace_seconds < self.lease_seconds:
            raise ValueError(f"{ENV_PREFIX}GRACE_SECONDS must be at least {ENV_PREFIX}LEASE_SECONDS")
        if self.backoff_max_seconds < self.backoff_seconds:
            raise ValueError(f"{ENV_PREFIX}BACKOFF_MAX_SECONDS must be at least {ENV_PREFIX}BACKOFF_SECONDS")
        return self

    @property
    def effective_poll_slot_seconds(self) -> float:
        return self.slot_seconds if self.poll_slot_seconds is None else self.poll_slot_seconds
