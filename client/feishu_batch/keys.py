"""Where the producer's half of the ledger lives in Redis, and how its records read.

Both halves (this library and the worker) use this module, so that the layout has one definition.
docs/ledger.md describes the whole ledger.
"""

from dataclasses import dataclass

DEFAULT_PREFIX = "feishu-batch"
DEFAULT_LANE = "default"


@dataclass(frozen=True, slots=True)
class FrontKeys:
    """Keys that every producer uses. One hash tag: they share a cluster slot, so one script may touch them all."""

    prefix: str = DEFAULT_PREFIX

    def _key(self, name: str) -> str:
        return f"{self.prefix}:{{front}}:{name}"

    @property
    def inbox(self) -> str:
        """Stream of intents not yet in a lane; the id of an entry is ``<intent number>-0``."""
        return self._key("inbox")

    @property
    def ids(self) -> str:
        """Hash: intent id → ``<number>:<content digest>`` (in the inbox) or ``<number>:<digest>:<lane>`` (recorded)."""
        return self._key("ids")

    @property
    def sequence(self) -> str:
        """Counter that numbers the intents. The numbers are the order that a cell sees."""
        return self._key("sequence")

    @property
    def parked(self) -> str:
        """Hash: intent number → JSON of the Celery signature to send when the intent has ended."""
        return self._key("parked")

    @property
    def released(self) -> str:
        """Set: numbers of intents whose parked signature was sent and has done its work."""
        return self._key("released")

    @property
    def revoked(self) -> str:
        """Sorted set: ids that Celery was asked to revoke before a lane had them, scored by when (unix seconds). Expires."""
        return self._key("revoked")

    @property
    def hint(self) -> str:
        """Flag, set while a message that says "look into the inbox" is outstanding."""
        return self._key("hint")

    @property
    def lock(self) -> str:
        """Which intake takes entries: one at a time. Expires."""
        return self._key("lock")

    @property
    def round(self) -> str:
        """Which intake takes entries; found set by whoever takes the lock, a round did not come to its end."""
        return self._key("round")

    @property
    def attempts(self) -> str:
        """Hash: intent number → how often taking in its entry was begun, while entries are taken one by one."""
        return self._key("attempts")


@dataclass(frozen=True, slots=True)
class IntentKeys:
    """Keys of one recorded intent. The hash tag is the lane."""

    prefix: str
    lane: str
    number: int

    @property
    def record(self) -> str:
        """Hash with the fields of `RecordField`."""
        return f"{self.prefix}:{{{self.lane}}}:intent:{self.number}"

    @property
    def outcomes(self) -> str:
        """Hash: work item id → ``<outcome letter>`` or ``<outcome letter>{"code":…,"reason":…}``; only what did not succeed."""
        return f"{self.prefix}:{{{self.lane}}}:outcomes:{self.number}"


class RecordField:
    """Field names of an intent's record: short, because a million of them are kept."""

    INTENT_ID = "id"
    GROUP = "g"
    PRIORITY = "p"  # absent: 5
    ENQUEUED_AT_MS = "t"
    EXPIRES_AT_MS = "x"
    KEEP_EVERY_CHANGE = "k"  # absent: no
    NOTE = "nt"
    ITEMS = "it"  # comma-separated work item ids, in the producer's order
    RECORDED = "nx"  # how many of the items are in the ledger; absent: all
    TOTAL = "tot"
    OPEN = "opn"  # items without an outcome
    IN_FLIGHT = "snt"  # items in a batch that is being sent or followed
    REQUESTS = "rq"
    SUCCEEDED = "ok"
    FAILED = "fl"
    SUPERSEDED = "sp"
    CANCELED = "cn"
    EXPIRED = "ex"
    REFUSED = "er"  # JSON {"code", "reason"}: the whole intent was refused; every item failed with it
    WISH = "w"  # of one that was refused at intake: JSON {"spec", "lane"}, as its producer wrote it; it has no group
    COMPLETED_AT_MS = "end"
    RETRIED_AS = "ra"  # comma-separated ids of the intents that retry failed items of it
    TRACE = "tc"  # W3C traceparent of the producer; absent: it was in no trace


class OutcomeLetter:
    """First character of a value in `IntentKeys.outcomes`."""

    FAILED = "f"
    SUPERSEDED = "s"
    CANCELED = "c"
    EXPIRED = "e"
