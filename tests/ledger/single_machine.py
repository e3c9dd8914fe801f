"""Random steps of both routes of a lane on a real server, beside the model."""

from dataclasses import replace

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from tests.ledger.conftest import FEW, FEW_FIELDS
from tests.ledger.lane_machine import LONG, LedgerMachine, indices, outcome, some_outcomes
from tests.ledger.single_model import OFF_FOR, Lists, TwoRoutes
from worker.ledger import record_calls as packing
from worker.ledger.records import Batch, BatchState, NoBatch, NoBatchReason
from worker.ledger.routes import SINGLE

MANY_UPDATES = [(field, "UPDATE", value) for field in ("f1", "f2", "f3", "f4") for value in "abc"]
ONE_VALUE_EACH = [(field, "UPDATE", value) for field in ("f1", "f2") for value in "abcdefgh"]
HIGHEST_RATE = FEW - 1
EVERYTHING = "o" * 200
SELDOM = st.sampled_from([False, False, False, True])
leases = st.sampled_from([LONG, LONG, LONG, 0])


class SingleMachine(LedgerMachine):
    def __init__(self, redis, groups, most_items, items, quiet):
        self.quiet = quiet
        super().__init__(redis, groups, most_items, items)
        self.keys = self.lane.keys.singles
        self.redis.hset(self.lane.keys.places, "x x x", 1)
        self.kinds = {}  # group as drawn → how single updates may write it
        self.updates = {}  # number → update as it was handed out last

    def new_model(self):
        return TwoRoutes(FEW, packing.RECORD_CHUNK, FEW_FIELDS)

    def wish(self, group, items, priority, keep, expires, canceled=False, change_set=0, skips=False):
        field, mode, value = group
        is_elsewhere = value in "bd"
        wish = super().wish(group, items, priority, keep, expires, canceled, change_set, skips and not is_elsewhere)
        kind = self.kinds.get(group, "v" if field == "f2" else "p")
        wish.single = kind if mode == "UPDATE" else ""
        wish.place = "x x y" if is_elsewhere else "x x x"
        return wish

    def observe(self):
        self.model.lists = Lists.read(self.redis, self.keys)

    def patience(self, max_wait):
        """Since when groups have waited that change their route in this step is not foreseen."""
        self.observe()
        model = self.model
        resent = [batch for batch in model.batches.values() if batch.is_single and batch.state == "resend"]
        lost = not model.paused and not model.is_on and (model.lists.sizes or resent)
        new = model.newly_single()
        sizes = {} if not model.is_on else {**model.lists.sizes, **dict.fromkeys(new, 0)}
        model.lists = replace(model.lists, sizes=sizes)
        return LONG if lost or new else max_wait

    def is_more_ready(self):
        self.observe()
        needs_help = self.model.is_on and len(self.model.lists.small) > 2 * self.model.rate
        return bool(self.model.batch_ready()) or needs_help

    # --- the route

    @initialize(alone=st.booleans())
    def begin(self, alone):
        self.set_rate(HIGHEST_RATE, alone)

    @rule(rate=st.sampled_from([0, 1, *[HIGHEST_RATE] * 6]), alone=st.booleans())
    def set_rate(self, rate, alone):
        self.lane.singles.configure(rate, alone=alone)
        self.model.configure(rate, alone)

    @rule(really=SELDOM)
    def switch_off(self, really):
        if really:
            self.lane.singles.switch_off(OFF_FOR / 1000, "why")
            self.model.switch_off()

    @rule(paused=SELDOM)
    def pause_or_resume(self, paused):
        super().pause_or_resume(paused)

    @precondition(lambda self: self.half_recorded is None)
    @rule(data=st.data(), several=st.integers(1, 3), lease=leases, max_wait=st.sampled_from([LONG, 0]))
    def senders_work(self, data, several, lease, max_wait):
        """What is most urgent is sent item by item, by several senders; some of it is canceled just before, and a batch is sent, too."""
        for _ in range(several):
            group = data.draw(st.sampled_from(self.updates_of_groups()))
            item, priority = data.draw(st.sampled_from(self.items)), data.draw(st.sampled_from([9, 9, 5, 3]))
            for _ in range(1 + data.draw(SELDOM)):
                self.record_one(group, item, priority)
        if data.draw(SELDOM):
            self.stop([len(self.model.intents) - 1 - data.draw(st.integers(0, several))])
        for owner in "XYZ"[:several]:
            self.claim_one(owner, lease, max_wait, data.draw(st.booleans()))
        if data.draw(SELDOM):
            self.claim("A", LONG, 99, LONG)

    @precondition(lambda self: self.model.is_on and self.half_recorded is None)
    @rule(rate=st.sampled_from([1, HIGHEST_RATE]))
    def more_than_single_updates_can_send(self, rate):
        """Then a batch helps."""
        self.set_rate(rate, self.model.alone)
        for number, group in enumerate(self.updates_of_groups()[: 2 * rate + 2]):
            self.record_one(group, self.items[number % len(self.items)])
        self.claim_one("X", LONG, LONG, True)
        self.claim("A", LONG, 99, LONG)

    def updates_of_groups(self):
        return [one for one in self.groups if one[1] == "UPDATE"]

    @precondition(lambda self: self.model.is_on and not self.model.lease and self.half_recorded is None)
    @rule(data=st.data(), single_first=st.booleans())
    def both_routes_meet_at_an_item(self, data, single_first):
        """A field that goes by batches, and one that need not, each most urgent."""
        item = data.draw(st.sampled_from(self.items))
        self.record_one(data.draw(st.sampled_from(self.updates_of_groups())), item)
        if single_first:
            self.claim_one("X", LONG, LONG, True)
            for update in self.in_flight():
                self.advance_single(update, BatchState.SENDING, "", BatchState.RESEND, True, stray=False)
        self.record_one(("f9", "APPEND", "z"), item)
        self.claim("A", LONG, 99, LONG)
        if self.model.lease:
            self.answer("", BatchState.OPEN, False, True)
        self.claim_one("Y", LONG, LONG, True)

    def record_one(self, group, item, priority=9):
        wish = self.wish(group, (item,), priority, False, None)
        self.lane.record([self.new_intent(wish)])
        self.model.record(wish)

    @rule(index=indices, kind=st.sampled_from(["", "p", "v"]))
    def type_of_a_field_changes(self, index, kind):
        """Noticed with the next intent, even with one that is over."""
        group = self.any_of(self.groups, index)
        self.kinds[group] = kind
        if self.half_recorded is None:
            wish = self.wish(group, (self.items[0],), 5, False, None, canceled=True)
            self.lane.record([self.new_intent(wish)])
            self.model.record(wish)

    # --- sending

    @rule(
        owner=st.sampled_from("XYZ"),
        lease=leases,
        max_wait=st.sampled_from([LONG, LONG, 0, 0.005]),
        is_closed=st.booleans(),
        again=st.booleans(),
    )
    def claim_single(self, owner, lease, max_wait, is_closed, again):
        """Usually several, as senders do."""
        for _ in range(1 + again):
            self.claim_one(owner, lease, max_wait, is_closed)

    def claim_one(self, owner, lease, max_wait, is_closed):
        self.observe()
        before, new = self.model.lists, self.model.newly_single()
        max_wait = LONG if new else max_wait
        grace = LONG if is_closed else 0
        got, now_ms = self.claimed_by_a_run(owner, lease, max_wait, grace)
        quiet = {group for group, at in before.fresh.items() if at <= now_ms} | (new if not self.quiet else set())
        small = {group: self.model.place_among_singles(group) for group in {*before.small, *quiet}}
        lists = Lists(before.sizes, small, before.fresh, {**before.since, **dict.fromkeys(new, now_ms)})
        number = None if isinstance(got, NoBatch) else got.number
        in_batches = {item for b in self.model.batches.values() if not b.is_single for _, item, _ in b.changes}
        right = self.model.claim_single(owner, lease == 0, lists, max_wait * 1000, now_ms, is_closed, number)
        if isinstance(got, NoBatch):
            assert str(got.why) == right
        else:
            assert right == ("single", got.number)
            self.is_as_expected(got)
            assert not (self.model.alone and in_batches & set(got.items))
            assert bool(got.fields["verify"]) == (len(got.parts) > 1 or self.is_verified(got))
            self.updates[got.number] = got
            self.seen.append((got, BatchState.SENDING))
        self.routes_are_sorted()

    def claimed_by_a_run(self, owner, lease, max_wait, grace):
        """And the moment of the claim. A run whose lease has ended is followed by another."""

        def claim():
            got = self.lane.singles.claim(
                owner=owner, max_wait=max_wait, idem_uuid="u", token_fingerprint="t", grace=grace
            )
            return got, 10**12 + int(self.redis.get(self.lane.keys.named("ticks")))

        got, at = claim()
        if isinstance(got, NoBatch) and got.why is NoBatchReason.HELD:
            self.redis.hdel(self.keys.owners, owner)  # as if the other one had another name
            self.lane.singles.begin(owner, LONG)
            self.model.give_up_lost()
            self.model.owners[owner] = False
            got, at = claim()
        if isinstance(got, Batch):
            self.lane.singles.begin(owner, lease)
        return got, at

    def is_verified(self, batch):
        return any(self.model.flags[self.model.intents[number].group] == "v" for number in batch.intents)

    @rule(owner=st.sampled_from("XYZ"), over=st.booleans())
    def heartbeat_of_singles(self, owner, over):
        is_valid = not self.model.owners.get(owner, True)
        assert self.lane.singles.extend(owner, 0 if over else LONG) == is_valid
        self.model.owners[owner] = over or not is_valid

    def in_flight(self):
        return [self.updates[number] for number in self.model.flight if self.model.batches[number].state == "sending"]

    @precondition(lambda self: self.model.flight)
    @rule(
        index=indices,
        outcomes=some_outcomes,
        then=st.sampled_from([BatchState.RESEND, BatchState.CHECK]),
        soon=st.sampled_from([True, True, False]),
        left=st.booleans(),
        lost=st.booleans(),
    )
    def answer_single(self, index, outcomes, then, soon, left, lost):
        update = self.any_of(self.in_flight(), index)
        self.advance_single(update, BatchState.SENDING, outcomes, then, soon, left=left, stray=then == "check" and lost)

    def advance_single(self, update, state, letters, then, soon, left=False, stray=None):
        """`stray`: the request may still be executed."""
        told = {cell: letter for cell, letter in zip(update.cells, letters, strict=False) if letter != "-"}
        assert not self.model.is_stale(update.number, state, update.fence)
        done = self.lane.advance(
            update,
            state=state,
            settled={cell: outcome(letter) for cell, letter in told.items()},
            then=then,
            delay=0 if soon else LONG,
            fields={} if stray is None else {"stray": "1" if stray else ""},
            left=left,
        )
        assert (done.stale, done.remaining) == (False, len(update.parts) - len(told))
        self.model.advance(update.number, told, str(then), soon, left, may_come_late=stray)

    @precondition(lambda self: any(len(update.parts) > 1 for update in self.in_flight()))
    @rule(index=indices)
    def split_single(self, index):
        update = self.any_of([one for one in self.in_flight() if len(one.parts) > 1], index)
        assert not self.lane.split(update, "one is bad").stale
        self.model.split(update.number)

    @precondition(lambda self: self.model.flight)
    @rule(
        index=indices, left=st.booleans(), bar=st.sampled_from([False, True]), off=st.sampled_from([False, False, True])
    )
    def dissolve(self, index, left, bar, off):
        update = self.any_of(self.in_flight(), index)
        for_ms = OFF_FOR / 1000 if off else 0
        done = self.lane.singles.dissolve(update, BatchState.SENDING, left=left, bar=bar, off=for_ms, why="why")
        assert not done.stale
        self.model.dissolve(update.number, left=left, bar=bar, off=off)
        assert self.lane.singles.dissolve(update, BatchState.SENDING, left=left).stale

    @precondition(lambda self: any(batch.route == SINGLE.name for batch, _ in self.seen))
    @rule(index=indices)
    def dissolve_of_long_ago(self, index):
        seen = [
            (b, state)
            for b, state in self.seen
            if b.route == SINGLE.name and self.model.is_stale(b.number, state, b.fence)
        ]
        if seen:
            batch, state = self.any_of(seen, index)
            assert self.lane.singles.dissolve(batch, state, left=True, bar=True, off=1.0).stale

    # --- read-backs

    @rule(
        most=st.sampled_from([1, 2, 50]),
        outcomes=some_outcomes,
        then=st.sampled_from([BatchState.RESEND, BatchState.CHECK]),
        soon=st.sampled_from([True, True, False]),
    )
    def read_back(self, most, outcomes, then, soon):
        checks = [batch for batch in self.model.batches.values() if batch.is_single and batch.state == "check"]
        due = {batch.number: batch.place for batch in checks if batch.is_due}
        picked = self.lane.singles.pick_checks(hold=0, most=most)
        if not due or self.model.paused:
            assert not isinstance(picked, list)
            assert (picked is None) == (self.model.paused or not checks)
            return
        places = {due[batch.number] for batch in picked}
        assert len(places) == 1
        assert len(picked) == min(most, sum(place in places for place in due.values()))
        for batch in picked:
            self.seen.append((batch, BatchState.CHECK))
            stray = False if then is BatchState.RESEND else None
            self.advance_single(batch, BatchState.CHECK, outcomes, then, soon, stray=stray)

    # --- what holds at all times

    def routes_are_sorted(self):
        """After a claim that was not kept from it."""
        self.observe()
        model = self.model
        if model.paused or not model.is_used:
            return
        if not model.is_on:
            return
        ours = {g for g, changes in model.batch_ready().items() if model.is_for_singles(g, changes)}
        assert ours <= set(model.barred), "no group that is for single updates is left on the batch route"

    def take_claimed(self, batch):
        super().take_claimed(batch)
        busy = {one.item for one in self.model.batches.values() if one.is_single and one.number in self.model.flight}
        assert batch.kind != "new" or not (self.model.alone and busy & set(batch.items))
        self.routes_are_sorted()
        if not self.model.is_on:
            assert not self.model.lists.sizes
            assert not self.redis.exists(self.keys.due)

    @invariant()
    def every_group_is_in_one_list_of_one_route(self):
        self.observe()
        lists, ready = self.model.lists, self.model.ready()
        assert set(lists.sizes) == set(lists.since) == {*lists.small, *lists.fresh}
        assert not set(lists.small) & set(lists.fresh)
        assert lists.big <= set(ready) - set(lists.sizes), "a group is large until none of its changes is ready"
        assert lists.sizes == {group: len(ready[group]) for group in lists.sizes}
        assert lists.small == {group: self.model.place_among_singles(group) for group in lists.small}
        for group, size in lists.sizes.items():
            assert size <= HIGHEST_RATE
            assert self.model.may_be_single(group)

    @invariant()
    def requests_are_where_the_model_says(self):
        model = self.model
        singles = [batch for batch in model.batches.values() if batch.is_single]

        def those(state):
            return {str(batch.number) for batch in singles if batch.state == state}

        assert set(self.redis.zrange(self.keys.due, 0, -1)) == those("resend")
        assert set(self.redis.zrange(self.keys.checks, 0, -1)) == those("check")
        assert set(self.redis.hkeys(self.keys.flight)) == those("sending") == set(map(str, model.flight))
        busy = {str(item): str(number) for item, number in model.items.items()}
        assert self.redis.hgetall(self.keys.items) == busy
        assert not self.redis.exists(self.keys._named("jobs"))

    def end_singles(self, owner):
        if owner == "0":
            self.set_rate(self.model.rate, alone=False)
        self.time_passes()
        for zset in (self.keys.due, self.keys.checks):
            for number in self.redis.zrange(zset, 0, -1):
                self.redis.zadd(zset, {number: 0})
                self.model.batches[int(number)].is_due = True
        self.claim_one(owner, LONG, LONG, False)
        for update in self.in_flight():
            self.advance_single(update, BatchState.SENDING, EVERYTHING, BatchState.RESEND, True, left=True, stray=False)
        self.read_back(50, EVERYTHING, BatchState.RESEND, True)
