"""The producer's part of the ledger in Redis: its keys and record fields.

This library and the worker both use this module, so that the layout has one definition.
docs/ledger.md describes the whole ledger.
"""

import re
from dataclasses import dataclass

from feishu_batch.errors import ConfigurationError

DEFAULT_PREFIX = "feishu-batch"
DEFAULT_LANE = "default"
# A brace would make another hash tag, and a cluster could no longer run the scripts.
_KEY_PREFIX = re.compile(r"[A-Za-z0-9_.:-]{1,64}")


def check_key_prefix(key_prefix: str) -> None:
    """Raises ConfigurationError."""
    if not _KEY_PREFIX.fullmatch(key_prefix):
        raise ConfigurationError("key_prefix must be 1 to 64 letters, digits and _ . : -")


@dataclass(frozen=True, slots=True)
class InboxKeys:
    """Keys that every producer uses. One hash tag: they share a cluster slot, so one script may touch them all."""

    prefix: str = DEFAULT_PREFIX

    def _key(self, name: str) -> str:
        return f"{self.prefix}:{{front}}:{name}"

    @property
    def format(self) -> str:
        """Number of the ledger's format (`ledger_format.py`)."""
        return self._key("format")

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
        """Set: numbers of intents whose parked signature was sent and has run."""
        return self._key("released")

    @property
    def revoked(self) -> str:
        """Sorted set: ids that Celery was asked to revoke before a lane had them, scored by when (unix seconds). Expires."""
        return self._key("revoked")

    @property
    def sets(self) -> str:
        """Sorted set: ids of change sets, scored by when an intent of them was enqueued last (unix ms)."""
        return self._key("sets")

    def set(self, change_set: str) -> str:
        """Sorted set: ids of the intents of a change set, scored by their numbers."""
        return self._key(f"set:{change_set}")

    def set_facts(self, change_set: str) -> str:
        """Hash with the fields of `SetField`, and ``lane:<name>`` of each lane that counts intents of the change set."""
        return self._key(f"set-facts:{change_set}")

    @property
    def awaited_sets(self) -> str:
        """Hash: change set → JSON of the Celery signature to send when the set has ended."""
        return self._key("awaited_sets")

    @property
    def dropped_sets(self) -> str:
        """Set: ``<set number> <lane>`` of forgotten change sets, until the lane's counts are deleted."""
        return self._key("dropped_sets")

    @property
    def lost(self) -> str:
        """Sorted set: ``<number> <intent id> <change set>`` of intents that no lane could record, scored by when (unix seconds)."""
        return self._key("lost")

    @property
    def shown_sets(self) -> str:
        """Hash: change set → JSON of the task that monitors such as Flower show for it, until it has ended."""
        return self._key("shown_sets")

    @property
    def shown_intents(self) -> str:
        """Hash: number of a single intent → the same."""
        return self._key("shown_intents")

    @property
    def shown_until(self) -> str:
        """Hash: `intent` number and `set` time (unix ms) up to which the sweep looked for new ones to show."""
        return self._key("shown_until")

    @property
    def hint(self) -> str:
        """Flag, set while a message that says "look into the inbox" is outstanding."""
        return self._key("hint")

    @property
    def lock(self) -> str:
        """The intake that records entries: one at a time. Expires."""
        return self._key("lock")

    @property
    def round(self) -> str:
        """The intake that records entries. If the next owner of the lock finds it set, the previous round did not finish."""
        return self._key("round")

    @property
    def attempts(self) -> str:
        """Hash: intent number → number of attempts to record its entry, while entries are recorded one by one."""
        return self._key("attempts")

    @property
    def imports(self) -> str:
        """Sorted set: digests of import ids, scored by when one was last used (unix seconds)."""
        return self._key("imports")

    @property
    def import_facts(self) -> str:
        """Hash: ``<digest>:first`` → unix seconds, ``<digest>:rows`` → how many rows it enqueued."""
        return self._key("import_facts")

    @property
    def name(self) -> str:
        """The ledger's own name, at random."""
        return self._key("name")

    @property
    def remotes(self) -> str:
        """Hash: lane → ``<host> <hash of host and plugin> <unix seconds>``: the remote system of its work, and since when."""
        return self._key("remotes")


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
        """Hash: work item id → ``<letter>`` of `OutcomeKind` or ``<letter>{"code":…,"reason":…}``; only items that did not succeed."""
        return f"{self.prefix}:{{{self.lane}}}:outcomes:{self.number}"

    @property
    def before(self) -> str:
        """Hash: work item id → JSON of [field type, value] before the change; only for intents with `keep_before`."""
        return f"{self.prefix}:{{{self.lane}}}:before:{self.number}"


def lane_head(prefix: str, lane: str) -> str:
    """What all keys of a lane begin with."""
    return f"{prefix}:{{{lane}}}:"


def log_blocks_key(head: str) -> str:
    """Set: numbers of the blocks of the lane's item log; the lane's keys begin with `head`."""
    return f"{head}item-log-blocks"


def group_key(prefix: str, lane: str, group: str) -> str:
    """Hash; its `spec` is JSON of what the changes of the group write, and where."""
    return f"{prefix}:{{{lane}}}:group:{group}"


def cells_key(prefix: str, lane: str) -> str:
    """Hash: ``<column>:<item>`` → the owner, ``<number>`` or ``<number>@<batch>``."""
    return f"{lane_head(prefix, lane)}cells"


def behind_key(prefix: str, lane: str, cell: str) -> str:
    """List: numbers of the changes behind the owner of ``<column>:<item>``, oldest first."""
    return f"{lane_head(prefix, lane)}behind:{cell}"


def under_key(prefix: str, lane: str, change: str) -> str:
    """Sorted set: numbers of the changes that gave way to ``<number>:<column>:<item>``."""
    return f"{lane_head(prefix, lane)}under:{change}"


def shared_key(prefix: str, lane: str) -> str:
    """Hash: ``<number>:<column>:<item>`` → numbers of the intents that share the change, with commas."""
    return f"{lane_head(prefix, lane)}shared"


def set_counts_key(prefix: str, lane: str, set_number: int | str) -> str:
    """Hash: the change set's id, and sums over the counts of its intents in this lane."""
    return f"{prefix}:{{{lane}}}:set:{set_number}"


SET_LANE = "lane:"  # what the fields of a set's facts begin with that name lanes


class SetField:
    """Of `InboxKeys.set_facts`; the last two are of `set_counts_key`, which also has counters of `RecordField`."""

    NUMBER = "n"  # of its first intent: a set that is forgotten and begins again has another
    INTENTS = "intents"  # how many were enqueued
    CHANGES = "changes"  # of all these intents
    SINCE_MS = "since"  # when the first was enqueued
    NOTE = "note"  # of the first intent
    PRODUCER = "producer"  # of the first intent
    LOST = "lost"  # intents that no lane could record: they have ended
    LOST_CHANGES = "lost_changes"  # of these: they have failed
    NAME = "name"
    ENDED = "ended"  # intents


class RecordField:
    """Field names of an intent's record: short, because a million records are kept."""

    INTENT_ID = "id"
    GROUP = "g"
    PRIORITY = "p"  # absent: 5
    ENQUEUED_AT_MS = "t"
    EXPIRES_AT_MS = "x"
    KEEP_EVERY_CHANGE = "k"  # absent: no
    LOOK = "lk"  # absent: no look. S: skip_unchanged; T: its request needs a read that proves something
    NOTE = "nt"
    ITEMS = "it"  # comma-separated work item ids, in the producer's order
    RECORDED = "nx"  # how many of the items are in the ledger; absent: all
    TOTAL = "tot"
    OPEN = "opn"  # items without an outcome
    IN_FLIGHT = "snt"  # items in a batch that is being sent or followed
    REQUESTS = "rq"
    SUCCEEDED = "ok"
    UNCHANGED = "un"
    FAILED = "fl"
    SUPERSEDED = "sp"
    CANCELED = "cn"
    EXPIRED = "ex"
    REFUSED = "er"  # JSON {"code", "reason"}: the whole intent was refused; every item failed with it
    AS_WRITTEN = (
        "w"  # of an intent that intake refused: JSON {"spec", "lane"}, as its producer wrote it; it has no group
    )
    COMPLETED_AT_MS = "end"
    RETRIED_AS = "ra"  # comma-separated ids of the intents that retry failed items of it
    STOPPED = "stop"  # `OutcomeKind` of all that is in no batch yet: it was canceled or has expired
    PRODUCER = "by"
    CHANGE_SET = "cs"  # the set's number; absent: none
    TRACE = "tc"  # W3C traceparent of the producer; absent: it was in no trace
