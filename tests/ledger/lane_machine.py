"""Random steps of a lane on a real server, beside the model: after each step both are the same."""

import json
from collections import Counter
from uuid import uuid4

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from feishu_batch.item_log import ItemLog
from feishu_batch.outcomes import OutcomeKind
from tests.ledger.conftest import FEW
from tests.ledger.dump import dump
from tests.ledger.lane_model import FIELD_OF, Model
from tests.ledger.lane_parts import Intent
from worker.ledger import record_calls as packing
from worker.ledger.lane import Lane
from worker.ledger.record_calls import NewIntent, NumberedSet
from worker.ledger.records import Batch, BatchState, Look, NoBatch, Outcome
from worker.ledger.routes import BATCH

EPOCH = 10**6  # ms: far more than the steps of a history take
FAR, PAST, SOON = 10**13, 10**6, EPOCH // 2  # unix ms; SOON counts from the present epoch
LONG = 10**6  # seconds
LETTERS = st.sampled_from("offs")

# Field, mode, value.
ALL_GROUPS = [
    (field, mode, value) for field in ("f1", "f2") for mode in ("UPDATE", "APPEND", "REPLACE") for value in "ab"
]
FEW_GROUPS = [("f1", "UPDATE", "a"), ("f1", "UPDATE", "b"), ("f1", "APPEND", "a")]
indices = st.integers(0, 99)
next_states = st.sampled_from([BatchState.OPEN, BatchState.OPEN, BatchState.RESEND, BatchState.REASK, BatchState.CHECK])
EVERYTHING = st.just(tuple("o" * 200))
some_outcomes = EVERYTHING | st.lists(st.sampled_from("of-s-"), max_size=8).map(tuple)


def outcome(letter):
    kind = OutcomeKind(letter)
    return Outcome(kind, "c", "why") if kind is OutcomeKind.FAILED else Outcome(kind)


def numbered_set(wish):
    return NumberedSet(str(wish.change_set), f"set {wish.change_set}") if wish.change_set else None


class LedgerMachine(RuleBasedStateMachine):
    def __init__(self, redis, groups, most_items, items):
        super().__init__()
        self.redis = redis
        self.groups = groups
        self.items = items
        self.most_items = most_items
        self.lane = Lane(redis, f"test-{uuid4().hex[:12]}", "lane")
        self.model = self.new_model()
        self.wishes = []
        self.half_recorded = None
        self.seen = []  # batches as somebody once saw them, with the state
        self.claimed = None
        self.looking = None

    # --- helpers

    def new_model(self):
        return Model(FEW, packing.RECORD_CHUNK)

    def observe(self):
        """Note what no model can foresee: which groups are on which route."""

    def wish(self, group, items, priority, keep, expires, canceled=False, change_set=0, skips=False):
        field, mode, value = group
        digest = f"{field}{mode}{value}"
        number = len(self.wishes) + 1
        expires = self.model.now + SOON + number if expires == SOON else expires and expires + number
        wish = Intent(number, digest, mode, f"p {field}", items, priority, keep, expires, canceled, change_set, skips)
        self.wishes.append(wish)
        return wish

    def new_intent(self, wish):
        parts = (
            "project_key",
            "work_item_type_key",
            "user_key",
            "field_key",
            "before_field_value",
            "after_field_value",
        )
        spec = json.dumps({**dict.fromkeys(parts, "x"), "update_mode": wish.mode})
        return NewIntent(
            wish.number, f"id{wish.number}", wish.digest, spec, wish.column, wish.mode, wish.priority,
            1, wish.expires, wish.keep, None, wish.items, canceled=wish.canceled,
            change_set=numbered_set(wish), place=wish.place, single=wish.single, look="S" if wish.skips else "",
        )  # fmt: skip

    def since(self):
        return dict(self.redis.zrange(self.lane.keys.route(BATCH).since, 0, -1, withscores=True))

    def any_of(self, things, index):
        return things[index % len(things)]

    # --- looks

    @rule(data=st.data())
    def look(self, data):
        """Claimed here, and perhaps ended later."""
        if self.looking:
            return
        look = self.lane.claim_look(hold=LONG, most_items=1000, most_claims=3)
        expected = self.model.claim_look()
        parts = {tuple(part.cell): part.intent for part in look.parts} if isinstance(look, Look) else {}
        assert parts == expected
        self.looking = look if parts else None
        if self.looking and data.draw(st.booleans()):
            self.end_look(data.draw(st.lists(st.sampled_from(sorted(parts)), unique=True)))

    @precondition(lambda self: self.looking)
    @rule(data=st.data())
    def end_the_look(self, data):
        cells = sorted(tuple(part.cell) for part in self.looking.parts)
        self.end_look(data.draw(st.lists(st.sampled_from(cells), unique=True)))

    def end_look(self, unchanged):
        look, self.looking = self.looking, None
        ended = self.lane.end_look(look, [part.cell for part in look.parts if tuple(part.cell) in unchanged])
        self.model.end_look([tuple(part.cell) for part in look.parts], unchanged)
        assert self.lane.end_look(look, []).stale
        assert not ended.stale

    def look_at_nothing(self):
        if not self.looking:
            look = self.lane.claim_look(hold=LONG, most_items=1000, most_claims=3)
            self.model.claim_look()
            self.looking = look if isinstance(look, Look) else None
        if self.looking:
            self.end_look([])

    # --- producers

    @precondition(lambda self: self.half_recorded is None)
    @rule(
        data=st.data(),
        priority=st.sampled_from([5, 5, 5, 0, 9]),
        keep=st.sampled_from([False, False, False, True]),
        expires=st.sampled_from([None, None, None, PAST, SOON, SOON, FAR]),
        half=st.sampled_from([False, False, False, True]),
        canceled=st.sampled_from([False, False, False, False, True]),
        change_set=st.sampled_from([0, 0, 1, 2]),
        skips=st.sampled_from([False, False, True]),
    )
    def record(self, data, priority, keep, expires, half, canceled, change_set, skips):
        group = data.draw(st.sampled_from(self.groups))
        chosen = data.draw(st.lists(st.sampled_from(self.items), min_size=1, max_size=self.most_items, unique=True))
        wish = self.wish(group, tuple(chosen), priority, keep, expires, canceled, change_set, skips)
        waiting = self.since()
        if half and len(chosen) > self.model.chunk:
            self.lane._run("record", next(iter(packing.record_calls([self.new_intent(wish)]))))
            self.model.record(wish, chunks=1)
            self.half_recorded = wish
        else:
            self.lane.record([self.new_intent(wish)])
            self.model.record(wish)
        now = self.since()
        assert all(now[group] == score for group, score in waiting.items() if group in now)

    @precondition(lambda self: self.half_recorded is None)
    @rule(data=st.data(), keep=st.booleans())
    def record_several_at_once(self, data, keep):
        chosen_groups = data.draw(st.lists(st.sampled_from(self.groups), min_size=2, max_size=4))
        some = st.lists(st.sampled_from(self.items), min_size=1, max_size=3, unique=True)
        wishes = [self.wish(group, tuple(data.draw(some)), 5, keep, None) for group in chosen_groups]
        self.lane.record([self.new_intent(wish) for wish in wishes])
        for wish in wishes:
            self.model.record(wish)

    @precondition(lambda self: self.half_recorded)
    @rule()
    def record_the_rest(self):
        wish, self.half_recorded = self.half_recorded, None
        self.lane.record([self.new_intent(wish)])
        self.model.record(wish)

    @precondition(lambda self: self.model.intents and self.half_recorded is None)
    @rule(first=indices, second=indices)
    def record_again_out_of_order(self, first, second):
        known = list(self.model.intents.values())
        again = [self.any_of(known, first), self.any_of(known, second)]
        self.lane.record([self.new_intent(wish) for wish in again if wish.group])

    @precondition(lambda self: self.half_recorded is None)
    @rule(items=st.sets(st.integers(1, 9), min_size=1, max_size=3), change_set=st.sampled_from([0, 2]))
    def refuse(self, items, change_set):
        wish = self.wish(("f1", "UPDATE", "a"), tuple(items), 5, False, None, change_set=change_set)
        for _ in range(2):
            why = Outcome.failed("c", "why")
            self.lane.refuse(wish.number, "id", 1, wish.items, why, change_set=numbered_set(wish))
            self.model.refuse(wish)

    @precondition(lambda self: self.model.intents)
    @rule(index=indices)
    def cancel(self, index):
        number = self.any_of(list(self.model.intents), index)
        self.lane.end_pending(number, Outcome(OutcomeKind.CANCELED))
        self.model.stop(number, "c")
        self.model.end_all(number)

    @precondition(lambda self: self.model.intents)
    @rule(chosen=st.lists(indices, min_size=1, max_size=3))
    def stop(self, chosen):
        numbers = list(dict.fromkeys(self.any_of(list(self.model.intents), index) for index in chosen))
        for number in numbers:  # one by one: those of one step stand in the order of their digits
            assert self.lane.stop([number], OutcomeKind.CANCELED) == self.model.stop(number, "c")

    @rule(most=st.sampled_from([1, 2, 3, 100]))
    def end_stopped(self, most):
        before = {intent.number for intent in self.model.intents.values() if intent.has_ended}
        _, ended, _, more, _ = self.lane._run("end_stopped", most)
        assert bool(more) == self.model.end_stopped(most)
        after = {intent.number for intent in self.model.intents.values() if intent.has_ended}
        assert ended == len(after - before)

    @rule()
    def time_passes(self):
        self.redis.incrby(self.lane.keys.named("ticks"), EPOCH)
        self.model.now += EPOCH

    # --- sender

    @rule(
        owner=st.sampled_from("AB"),
        lease=st.sampled_from([LONG, LONG, 0]),
        max_open=st.sampled_from([2, 99, 99]),
        max_wait=st.sampled_from([LONG, LONG, 0, 0.005, 0.01]),  # the clock ticks once a step, a millisecond
    )
    def claim(self, owner, lease, max_open, max_wait):
        max_wait = self.patience(max_wait)
        waiting = self.since()
        now_ms = 10**12 + int(self.redis.get(self.lane.keys.named("ticks")) or 0) + 1
        waits = {int(group): now_ms - since for group, since in waiting.items()}
        got = self.lane.claim(
            owner=owner, lease=lease, max_open=max_open, max_wait=max_wait, idem_uuid="u", token_fingerprint="t"
        )
        number = got.number if isinstance(got, Batch) else None
        right = self.model.claim(owner, lease == 0, max_open, waits, max_wait * 1000, number)
        if isinstance(got, NoBatch):
            assert str(got.why) == right
        else:
            assert right == ("batch", got.number)
            self.take_claimed(got)
            now = self.since()
            group = got.fields["g"]
            assert all(now.get(other, score) == score for other, score in waiting.items() if other != group)
            assert got.kind != "new" or now.get(group, FAR) > waiting.get(group, 0)

    def patience(self, max_wait):
        """Observes, too."""
        return max_wait

    def is_as_expected(self, batch):
        expected = self.model.batches[batch.number]
        assert [(*part.cell, part.intent) for part in batch.parts] == expected.changes
        assert (batch.kind, batch.tries, batch.fence) == (expected.kind, expected.tries, expected.fence)

    def is_more_ready(self):
        return bool(self.model.ready())

    def take_claimed(self, batch):
        self.is_as_expected(batch)
        assert batch.more_ready == self.is_more_ready()
        self.claimed = batch
        self.seen.append((batch, BatchState.SENDING))

    @precondition(lambda self: self.model.lease)
    @rule(over=st.booleans())
    def heartbeat(self, over):
        owner, number, _ = self.model.lease
        fence = self.model.batches[number].fence
        assert not self.lane.extend_lease(fence - 1, LONG)
        assert self.lane.extend_lease(fence, 0 if over else LONG)
        self.model.lease = (owner, number, over)

    @precondition(lambda self: self.model.lease)
    @rule(outcomes=some_outcomes, then=next_states, soon=st.sampled_from([True, True, False]), left=st.booleans())
    def answer(self, outcomes, then, soon, left):
        self.advance(self.claimed, BatchState.SENDING, outcomes, then, soon, left=left)

    def advance(self, batch, state, letters, then, soon, left=False):
        told = {cell: letter for cell, letter in zip(batch.cells, letters, strict=False) if letter != "-"}
        stale = self.model.is_stale(batch.number, state, batch.fence)
        before = {i.number for i in self.model.intents.values() if i.has_ended}
        done = self.lane.advance(
            batch,
            state=state,
            settled={cell: outcome(letter) for cell, letter in told.items()},
            then=then,
            delay=0 if soon else LONG,
            fields={"why": "x"},
            left=left,
        )
        assert done.stale == stale
        if not stale:
            self.model.advance(batch.number, told, str(then), soon, left)
            after = {i.number for i in self.model.intents.values() if i.has_ended}
            assert done.intents_ended == len(after - before)
            assert done.remaining == len(batch.parts) - len(told)

    @precondition(lambda self: self.model.lease and len(self.claimed.items) > 1)
    @rule()
    def split(self):
        stale = self.model.is_stale(self.claimed.number, "sending", self.claimed.fence)
        assert self.lane.split(self.claimed, "one is bad").stale == stale
        if not stale:
            self.model.split(self.claimed.number)

    @precondition(lambda self: self.seen)
    @rule(index=indices, outcomes=some_outcomes)
    def answer_of_long_ago(self, index, outcomes):
        """First those whose batch is in that state once more, for another send."""
        stale = [(batch, state) for batch, state in self.seen if self.model.is_stale(batch.number, state, batch.fence)]
        now = {batch.number: batch.state for batch in self.model.batches.values()}
        deceptive = [(batch, state) for batch, state in stale if now.get(batch.number) == state]
        if stale:
            batch, state = self.any_of(deceptive or stale, index)
            self.advance(batch, state, outcomes, BatchState.OPEN, True)
            assert self.lane.split(batch, "late").stale

    # --- follower

    @rule(
        where=st.sampled_from(["jobs", "jobs", "checks"]),
        outcomes=some_outcomes,
        then=next_states,
        soon=st.sampled_from([True, True, False]),
    )
    def follow(self, where, outcomes, then, soon):
        state = BatchState.OPEN if where == "jobs" else BatchState.CHECK
        due = [batch for batch in self.in_state(state) if batch.is_due]
        picked = self.lane.pick(where, hold=0)
        if not due:
            assert not isinstance(picked, Batch)
            assert (picked is None) == (self.model.paused or not self.in_state(state))
            return
        if self.model.paused:
            assert picked is None
            return
        assert picked.number in {batch.number for batch in due}
        assert self.model.batches[picked.number].blocks == any(batch.blocks for batch in due)
        assert list(picked.items) == [item for _, item, _ in self.model.batches[picked.number].changes]
        self.seen.append((picked, state))
        self.advance(picked, state, outcomes, then, soon)

    def in_state(self, state):
        return [batch for batch in self.model.batches.values() if batch.state == state and not batch.is_single]

    # --- afterwards

    @rule(confirm=st.booleans())
    def publish(self, confirm):
        taken = [number for number, _ in self.lane.take_outbox(1000, 0)]
        assert set(taken) == self.model.unpublished
        if confirm:
            self.lane.confirm_published(taken)
            self.model.unpublished.clear()

    @precondition(lambda self: self.wishes)
    @rule(chosen=st.lists(indices, min_size=1, max_size=3))
    def forget(self, chosen):
        numbers = [self.any_of(self.wishes, index).number for index in chosen]
        self.lane.forget(numbers)
        self.model.forget(numbers)

    @rule(paused=st.sampled_from([False, False, True]))
    def pause_or_resume(self, paused):
        if paused:
            self.lane.pause("for a reason", polling=False)
        else:
            assert self.lane.resume() == self.model.paused
        self.model.paused = paused

    # --- what holds at all times

    @invariant()
    def ledger_is_as_the_model_says(self):
        self.observe()
        expected = {name: value for name, value in self.model.dump().items() if value}
        assert dump(self.redis, self.lane.prefix) == expected

    @invariant()
    def the_item_log_finds_every_record(self):
        log, records = ItemLog(self.redis), self.model.intents.values()
        for item in {item for wish in self.wishes for item in wish.items}:
            named = sorted((intent.number for intent in records if item in intent.items), reverse=True)
            assert log.numbers(self.lane.keys.head, item) == named

    @invariant()
    def what_is_counted_adds_up(self):
        """docs/metrics.md takes these figures for the numbers of changes, ended, pending, ready and in a request."""
        told = self.redis.hgetall(self.lane.keys.named("metrics"))
        intents = [wish for wish in self.wishes if wish.group or wish.outcomes]  # also those that were forgotten
        ended = Counter(letter for intent in intents for letter in intent.outcomes.values())
        held = [change for batch in self.model.batches.values() for change in batch.changes]
        figures = {name: int(told.get(name, 0)) for name in ("rec", "opn", "snt", "held", *FIELD_OF.values())}
        assert figures == {
            "rec": sum(len(intent.items) for intent in intents),
            "opn": sum(len(intent.items) - len(intent.outcomes) for intent in intents),
            "snt": sum(intent.in_flight for intent in intents),
            "held": len(held),
            **{field: ended[letter] for letter, field in FIELD_OF.items()},
        }
        assert sum(int(by) for name, by in told.items() if name.startswith("fl:")) == ended["f"]
        ready = sum(len(changes) for changes in self.model.ready().values())
        looks = sum(cell.awaits_look or cell.is_looked_at for cell in self.model.cells.values())
        assert len(self.model.cells) - len(held) == ready + looks

    @invariant()
    def no_cell_is_in_two_batches_and_each_sees_its_changes_in_order(self):
        cells = [where for batch in self.model.batches.values() for where in batch.cells]
        assert len(cells) == len(set(cells))
        for numbers in self.model.sends.values():
            assert numbers == sorted(set(numbers))
        for cell in self.model.cells.values():
            line = [change.number for change in cell.line]
            assert line == sorted(line)

    def teardown(self):
        """Everything ends, is forgotten, and leaves nothing but counters and columns."""
        if self.half_recorded:
            self.record_the_rest()
        self.lane.resume()
        self.model.paused = False
        for batch in list(self.model.batches.values()):
            if batch.state != "sending":
                for zset in ("due", "jobs", "checks"):
                    self.redis.zadd(self.lane.keys.named(zset), {str(batch.number): 0}, xx=True)
                batch.is_due = True
        for owner in range(10_000):
            if not (self.model.cells or self.model.lease or self.model.overwritten):
                break
            if self.model.lease:
                self.heartbeat(True)
            self.end_stopped(100)
            self.look_at_nothing()
            self.claim(str(owner), LONG, 10_000, LONG)
            if self.model.lease:
                self.answer("o" * 200, BatchState.RESEND, True, left=True)
            for where in ("jobs", "checks"):
                self.follow(where, "o" * 200, BatchState.RESEND, True)
            self.end_singles(str(owner))
        assert not self.model.cells
        assert not self.redis.exists(self.lane.keys.named("urgent"))
        self.lane.forget([wish.number for wish in self.wishes])
        left = dump(self.redis, self.lane.prefix)
        of_singles = {key.rpartition(":")[2] for key in self.redis.keys(f"{self.lane.prefix}route:single:*")}
        assert of_singles <= {"state", "owners"}
        self.redis.delete(*(self.redis.keys(f"{self.lane.prefix}*") or ["none"]))
        assert {name for name in left if not name.startswith("set:")} <= {"columns"}

    def end_singles(self, owner):
        """In the end."""
