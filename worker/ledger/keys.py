"""Where a lane's half of the ledger lives in Redis: each key once. docs/ledger.md describes them for people.

The fields of its hashes stand in `worker.ledger.fields`; the producers' half and the record of an intent in
`feishu_batch.keys`. The Lua scripts get the lane's prefix and build the same names (a test holds both against the map in
docs/ledger.md).
"""

from dataclasses import dataclass

from feishu_batch.keys import (
    IntentKeys,
    behind_key,
    cells_key,
    group_key,
    log_blocks_key,
    set_counts_key,
    shared_key,
    under_key,
)
from worker.ledger.route_keys import RouteKeys, SingleKeys
from worker.ledger.routes import Route


@dataclass(frozen=True, slots=True)
class LaneKeys:
    """Keys of one lane. One hash tag: a script may touch them all. Scores and times are ms unless it says otherwise."""

    prefix: str
    lane: str

    @property
    def head(self) -> str:
        """What all of them begin with: the scripts' first key."""
        return f"{self.prefix}:{{{self.lane}}}:"

    def named(self, name: str) -> str:
        """Any of them, by what stands behind `head`."""
        return f"{self.head}{name}"

    # --- intents

    def of_intent(self, number: int | str) -> IntentKeys:
        return IntentKeys(self.prefix, self.lane, int(number))

    def intent(self, number: int | str) -> str:
        """Hash with the fields of `RecordField`."""
        return self.of_intent(number).record

    def outcomes(self, number: int | str) -> str:
        """Hash: item id → outcome; only of what did not succeed."""
        return self.of_intent(number).outcomes

    @property
    def open_intents(self) -> str:
        """Sorted set: numbers of the intents that have not ended, by when they were enqueued."""
        return self.named("open-intents")

    def ended(self, how: str) -> str:
        """Sorted set, `how`: succeeded | failed. Numbers of ended intents by when they ended."""
        return self.named(f"ended:{how}")

    @property
    def failures(self) -> str:
        """Sorted set: intents with an item that failed, by when the newest of these failed."""
        return self.named("failures")

    @property
    def outbox(self) -> str:
        """Sorted set: ended intents whose Celery result is not stored yet, by when to try."""
        return self.named("outbox")

    def item_log(self, block: int | str) -> str:
        """String: the items of a block of intents, as lua/_item_log.lua writes it."""
        return self.named(f"item-log:{block}")

    @property
    def log_blocks(self) -> str:
        """Set: the blocks that exist."""
        return log_blocks_key(self.head)

    # --- groups and cells

    @property
    def groups(self) -> str:
        """Hash: digest of a group's content → its number."""
        return self.named("groups")

    def group(self, group: str) -> str:
        """Hash with the fields of `GroupField`."""
        return group_key(self.prefix, self.lane, group)

    def set(self, set_number: int | str) -> str:
        """Hash: a change set's id, and sums over the counts of its intents in this lane."""
        return set_counts_key(self.prefix, self.lane, set_number)

    def ready(self, group: str) -> str:
        """Sorted set: items of the group's changes that may be sent now, by rank."""
        return self.named(f"ready:{group}")

    @property
    def columns(self) -> str:
        """Hash: ``<project_key> <field_key>`` → the column's number."""
        return self.named("columns")

    @property
    def cells(self) -> str:
        """Hash: ``<column>:<item>`` → the owner, ``<number>`` or ``<number>@<batch>``."""
        return cells_key(self.prefix, self.lane)

    def behind(self, cell: str) -> str:
        """List: numbers of the changes behind the owner of ``<column>:<item>``, oldest first."""
        return behind_key(self.prefix, self.lane, cell)

    def under(self, change: str) -> str:
        """Sorted set: numbers of the changes that gave way to ``<number>:<column>:<item>``."""
        return under_key(self.prefix, self.lane, change)

    @property
    def shared(self) -> str:
        """Hash: ``<number>:<column>:<item>`` → numbers of the intents that share the change, with commas."""
        return shared_key(self.prefix, self.lane)

    # --- looks

    @property
    def places(self) -> str:
        """Hash: ``<project_key> <type> <user_key>`` → the place's number: what one read can cover."""
        return self.named("places")

    @property
    def looks(self) -> str:
        """Sorted set: places with changes that wait for a look, by the best rank."""
        return self.named("looks")

    def look(self, place: int | str) -> str:
        """Sorted set: items of the place with such changes, by the best rank."""
        return self.named(f"look:{place}")

    def look_columns(self, place: int | str) -> str:
        """Hash: item → columns of its changes that wait for a look, as ``,<column>,<column>,``; ``*`` → those of all other items."""
        return self.named(f"look-columns:{place}")

    def look_share(self, place: int | str) -> str:
        """Hash: how many of the cells that were looked at held their value; `off`: until when the place is not looked at."""
        return self.named(f"look-share:{place}")

    @property
    def look_claims(self) -> str:
        """Sorted set: looks that are made, by when another process may make them."""
        return self.named("look-claims")

    def look_claim(self, claim: int | str) -> str:
        """Hash: the changes of a look, and how often it was handed out."""
        return self.named(f"look-claim:{claim}")

    @property
    def later(self) -> str:
        """Sorted set: cells whose change needs a read before its request, by when a read proves something."""
        return self.named("later")

    @property
    def written(self) -> str:
        """Sorted set: cells that a request changed a moment ago, by until when a read of them proves nothing."""
        return self.named("written")

    @property
    def maybe(self) -> str:
        """Hash: cell -> number of its conditional change, which a request that ended without outcomes may have written."""
        return self.named("maybe")

    # --- routes

    def route(self, route: Route) -> RouteKeys:
        return RouteKeys(self.head, route)

    @property
    def singles(self) -> SingleKeys:
        return SingleKeys(self.head)

    # --- requests and jobs

    def batch(self, batch: int | str) -> str:
        """Hash with the fields of `BatchField`, from the claim until every change has its outcome."""
        return self.named(f"batch:{batch}")

    @property
    def due(self) -> str:
        """Sorted set: batches that need a slot (again), by when."""
        return self.named("due")

    @property
    def jobs(self) -> str:
        """Sorted set: batches with an open job, by the next poll."""
        return self.named("jobs")

    @property
    def checks(self) -> str:
        """Sorted set: batches that are to be read back, by when."""
        return self.named("checks")

    @property
    def recent(self) -> str:
        """List: JSON of the last batches that were settled, newest first."""
        return self.named("recent")

    def durations(self, size_class: int) -> str:
        """List: seconds that recent jobs of a size took, newest first."""
        return self.named(f"durations:{size_class}")

    def slot(self, endpoint: str) -> str:
        """Hash with the fields of `SlotField`: when the next request to this endpoint may leave."""
        return self.named(f"slot:{endpoint}")

    def shared_slot(self, endpoint: str) -> str:
        """The same for all lanes of one plugin, under the first of their names."""
        return self.named(f"shared-slot:{endpoint}")

    def columns_of(self, space: str) -> str:
        """Set: columns of the space (``<project_key>``): where an item's cells may be."""
        return self.named(f"columns-of:{space}")

    def requests(self, day: str) -> str:
        """Hash, expires: kind of request → how many were sent on this day."""
        return self.named(f"requests:{day}")

    @property
    def no_looks(self) -> str:
        """String, expires: no cells are read to skip changes."""
        return self.named("no-looks")

    # --- the lane's state

    @property
    def pause(self) -> str:
        """String: JSON of why it is paused."""
        return self.named("pause")

    @property
    def hold(self) -> str:
        """String, expires: no batch is composed meanwhile."""
        return self.named("hold")

    @property
    def metrics(self) -> str:
        """Hash with the fields of `MetricField`, and what else is counted."""
        return self.named("metrics")

    @property
    def clock(self) -> str:
        """Hash of the ledger's clock (lua/_clock.lua)."""
        return self.named("clock")

    @property
    def swept_at(self) -> str:
        """String, expires: when a sweep looked last (unix seconds)."""
        return self.named("swept-at")

    @property
    def trouble(self) -> str:
        """Hash: submit, poll → JSON of the last error."""
        return self.named("trouble")

    def hint(self, task: str) -> str:
        """String, expires: a message of this kind is outstanding."""
        return self.named(f"hint:{task}")

    def refused(self, space: str) -> str:
        """String, expires: why the remote system refuses this space and type."""
        return self.named(f"refused:{space}")

    def unlisted(self, kind: str) -> str:
        """Hash, expires: error code that stands in no list → requests of this kind refused with it in a row."""
        return self.named(f"unlisted:{kind}")

    def token(self, credential: str) -> str:
        """String, expires: the plugin token that all processes share."""
        return self.named(f"token:{credential}")

    def token_lock(self, credential: str) -> str:
        """String, expires: who is renewing it."""
        return self.named(f"token-lock:{credential}")

    # --- what the remote system said of itself

    @property
    def probed(self) -> str:
        """String: JSON of what `feishu-batch probe` found last, and when (unix seconds)."""
        return self.named("probed")

    def catalogue(self, type_name: str) -> str:
        """String, expires: the fields of ``<project_key> <type>``."""
        return self.named(f"catalogue:{type_name}")

    def person(self, digest: str) -> str:
        """String, expires: the user key to a hashed e-mail address."""
        return self.named(f"person:{digest}")

    def space(self, simple_name: str) -> str:
        """String, expires: the project key to a simple name."""
        return self.named(f"space:{simple_name}")


@dataclass(frozen=True, slots=True)
class ScheduleKeys:
    """Of scheduled work. They share the producers' hash tag."""

    prefix: str

    def record(self, name: str) -> str:
        """String, expires: JSON of the entry's newest run and of what is due."""
        return f"{self.prefix}:{{front}}:schedule:record:{name}"

    def intents(self, name: str) -> str:
        """List, expires: intent ids of the newest run, in their order."""
        return f"{self.prefix}:{{front}}:schedule:intents:{name}"

    def rows(self, name: str) -> str:
        """List, expires: the rows of the newest run while they are enqueued."""
        return f"{self.prefix}:{{front}}:schedule:rows:{name}"

    def running(self, name: str) -> str:
        """Lock, expires: who carries a run out."""
        return f"{self.prefix}:{{front}}:schedule:running:{name}"

    @property
    def beat(self) -> str:
        """What RedBeat's own keys begin with."""
        return f"{self.prefix}:{{front}}:beat:"
