"""The single route beside the batch route, as plain lists and dicts. Which groups it has is observed, not foreseen: it depends on moments."""

from dataclasses import dataclass, field

from tests.ledger.lane_model import PRIORITY_STEP, Model
from worker.ledger.fields import GroupField, SingleField

SIZE_STEP = 2**44
OVERDUE_EVERY = 4  # requests
BARRED_FOR = 3_500_000  # ms: a little less than the hour, because the model does not count a history's steps
OFF_FOR = 500_000


@dataclass(frozen=True)
class Lists:
    """Groups of the single route, as the ledger has them."""

    sizes: dict[int, int] = field(default_factory=dict)
    small: dict[int, int] = field(default_factory=dict)
    fresh: dict[int, int] = field(default_factory=dict)
    since: dict[int, int] = field(default_factory=dict)  # longest first
    is_sorted: bool = True
    big: frozenset[int] = frozenset()  # of the batch route until none of their changes is ready

    @classmethod
    def read(cls, redis, keys):
        def zset(key):
            return {int(group): int(score) for group, score in redis.zrange(key, 0, -1, withscores=True)}

        sizes = {int(group): int(size) for group, size in redis.hgetall(keys.sizes).items()}
        big = {
            int(key.rpartition(":")[2])
            for key in redis.keys(f"{keys.head}group:*")
            if redis.hexists(key, GroupField.BIG)
        }
        is_sorted = redis.hget(keys.state, SingleField.SORTED) == "1"
        return cls(sizes, zset(keys.small), zset(keys.fresh), zset(keys.since), is_sorted, frozenset(big))


class TwoRoutes(Model):
    def __init__(self, batch_items, chunk, most_fields):
        super().__init__(batch_items, chunk)
        self.most_fields = most_fields
        self.rate = self.off_until = self.turn = 0
        self.is_used = self.alone = False
        self.flags = {}  # group → whether single updates may write it
        self.barred = {}  # group → until when they may not
        self.owners = {}  # process → whether its lease has run out
        self.flight = {}  # update → its process
        self.items = {}  # item → the update that is, or may still be, on its way
        self.lists = Lists()

    # --- which route

    @property
    def is_on(self):
        return self.rate > 0 and self.off_until <= self.now

    def configure(self, rate, alone):
        if not self.is_used and rate == 0:
            return
        if rate != self.rate or not self.is_used:
            self.off_until = 0
        self.is_used, self.rate, self.alone = True, rate, alone

    def switch_off(self):
        self.off_until = self.now + OFF_FOR

    def may_be_single(self, group):
        return bool(self.flags[group]) and self.barred.get(group, 0) <= self.now

    def is_for_singles(self, group, changes):
        is_small = len(changes) <= self.rate and group not in self.lists.big
        return self.is_on and is_small and self.may_be_single(group)

    def batch_ready(self):
        return {group: changes for group, changes in self.ready().items() if group not in self.lists.sizes}

    def newly_single(self):
        """Groups that the next claim moves to the single route, because that was switched on."""
        if self.lists.is_sorted:
            return set()
        return {group for group, changes in self.batch_ready().items() if self.is_for_singles(group, changes)}

    def place_among_singles(self, group):
        changes = self.ready()[group]
        rank = changes[0][0]
        return rank // PRIORITY_STEP * PRIORITY_STEP + len(changes) * SIZE_STEP + rank % PRIORITY_STEP

    # --- recording

    def _new_intent(self, wish):
        super()._new_intent(wish)
        self.flags[wish.group] = wish.single

    # --- batches

    def _follow_singles(self):
        self.give_up_lost()
        if self.is_used and not self.is_on:
            for batch in [b for b in self.batches.values() if b.is_single and b.state == "resend"]:
                self._dissolve(batch)

    def _is_busy(self, item):
        return self.alone and item in self.items

    def _choices(self, waits, max_wait):
        small = list(self.lists.small) if self.is_on else []
        help_wanted = len(small) > 2 * self.rate
        urgent = min((self.lists.small[group] // PRIORITY_STEP for group in small), default=0)
        largest = [group for group in small if self.lists.small[group] // PRIORITY_STEP == urgent]
        more = [max(largest, key=self.lists.small.get)] if help_wanted else []
        return super()._choices(waits, max_wait) + more

    # --- single updates

    def claim_single(self, owner, has_run_out, lists, max_wait, now_ms, is_closed, got):
        """`lists`: with what has been quiet for long enough. `is_closed`: the cells of a lost request stay closed for long."""
        self.steps += 1
        if self.paused:
            return "paused"
        self.give_up_lost()
        if not self.is_on:
            return "off"
        resent = [b for b in self.batches.values() if b.is_single and b.state == "resend" and b.is_due]
        free = [batch.number for batch in resent if not self._must_wait(batch)]
        if free:
            batch = self.batches[got if got in free else free[0]]
            batch.kind, batch.may_come_late = "resend", False
            batch.tries += 1
        else:
            batch = self._compose_single(lists, max_wait, now_ms)
            if batch is None:
                return "idle"
        self._send(batch)
        batch.closed_when_lost = is_closed
        self.owners[owner], self.flight[batch.number], self.items[batch.item] = has_run_out, owner, batch.number
        return "single", batch.number

    def give_up_lost(self):
        for number in [number for number, owner in self.flight.items() if self.owners.get(owner, True)]:
            batch = self.batches[number]
            del self.flight[number]
            batch.may_come_late = True
            self._put(batch, "check", is_due=not batch.closed_when_lost)
            self._count_request(batch)

    def _must_wait(self, batch):
        return self.items.get(batch.item, batch.number) != batch.number or (
            self.alone and self.is_in_a_batch(batch.item)
        )

    def is_in_a_batch(self, item):
        return any(batch.item_in(item) for batch in self.batches.values() if not batch.is_single)

    def _compose_single(self, lists, max_wait, now_ms):
        self.turn += 1
        order = sorted(lists.small, key=lists.small.get)
        overdue = [group for group, since in lists.since.items() if since <= now_ms - max_wait and group in lists.small]
        if overdue and self.turn % OVERDUE_EVERY == 0:
            order = [overdue[0], *order]
        singles = set(lists.since)
        for group in order:
            for _, item, number in self.ready()[group]:
                parts = [] if int(item) in self.items or self._fate(number) else self._with(group, int(item), singles)
                if parts:
                    return self._take_single(parts)
        return None

    def _with(self, group, item, singles):
        """The item's changes of one request; none while a batch has a cell of the item that it must not meet."""
        if self.alone and self.is_in_a_batch(item):
            return []
        parts = []
        for column in sorted(self.columns.values()):
            cell = self.cells.get((column, item))
            if not cell or cell.batch or cell.is_looked_at or cell.awaits_look:
                continue
            number = cell.line[0].number
            own = self.intents[number].group
            joins = own in singles and self.place_of(own) == self.place_of(group) and not self._fate(number)
            if joins and (own == group or len(parts) < self.most_fields - 1):
                parts.append((column, item, number))
        return parts

    def place_of(self, group):
        return next(intent.place for intent in self.intents.values() if intent.group == group)

    def _take_single(self, parts):
        for *where, _ in parts:
            for sharer in list(self.cells[tuple(where)].line[0].sharers):
                if self._fate(sharer):
                    self._end_at(tuple(where), sharer, self._fate(sharer))
        group = self.intents[parts[0][2]].group
        return self._new_batch(group, parts, is_single=True, place=self.place_of(group))

    def advance(self, number, outcomes, then, is_due, left, *, may_come_late=None):
        batch = self.batches[number]
        item = batch.item
        if may_come_late is not None:
            batch.may_come_late = may_come_late
        super().advance(number, outcomes, then, is_due, left)
        if number not in self.batches and self.items.get(item) == number:
            del self.items[item]

    def _release(self, batch):
        if not batch.is_single:
            return super()._release(batch)
        self.flight.pop(batch.number, None)
        if not batch.may_come_late:
            self.items.pop(batch.item, None)
        return None

    def dissolve(self, number, *, left, bar, off):
        self.steps += 1
        batch = self.batches[number]
        if left:
            self._count_request(batch)
        if bar:
            groups = {self.intents[intent].group for _, _, intent in batch.changes}
            self.barred.update(dict.fromkeys(groups, self.now + BARRED_FOR))
        if off:
            self.switch_off()
        self._dissolve(batch)

    def _dissolve(self, batch):
        item = batch.item
        for where in batch.cells:
            self._open(batch, where)
            self.sends[where].pop()  # it was certainly not executed
            for number in self.cells[where].line[0].everyone:
                self._walk_again(number)
        del self.batches[batch.number]
        self.flight.pop(batch.number, None)
        if self.items.get(item) == batch.number:
            del self.items[item]
