"""Change sets and single intents in task monitors: what Celery's own reader of events, which Flower uses, makes of the events."""

import time

import pytest
from celery.events.state import State

from feishu_batch.outcomes import OutcomeKind
from feishu_batch.packing import PackedIntent
from tests.pipeline.intake_kit import wish
from tests.support.command import Ledger
from worker.ledger.records import Outcome
from worker.ledger.shown_tasks import ShownTasks
from worker.pipeline.monitored import MOST_INTENTS, NEW_INTENTS, NEW_SETS, Monitored
from worker.pipeline.sweep import forget
from worker.pipeline.task_events import QUIET

CANCELED = Outcome(OutcomeKind.CANCELED)
VALUE = "a value that no monitor need show"


class Monitor:
    """Reads events as Flower does."""

    def __init__(self):
        self.state, self.sent, self.now = State(), [], time.time()

    def send(self, told):
        for one in told:
            for event in one.events:
                self.now += 0.001
                self.sent.append((one.uuid, event.kind))
                about = {
                    "type": event.kind,
                    "uuid": one.uuid,
                    "hostname": "intake@here",
                    "pid": 1,
                    "clock": len(self.sent),
                }
                self.state.event({**about, "timestamp": self.now, "local_received": self.now, **event.fields})

    @property
    def tasks(self):
        return dict(self.state.tasks)

    def named(self, name):
        return [task for task in self.state.tasks.values() if task.name == f"feishu_batch.{name}"]


@pytest.fixture
def ledger(redis, prefix):
    return Ledger(redis, prefix)


@pytest.fixture
def monitor():
    return Monitor()


class Clock:
    def __init__(self):
        self.ahead = 0.0

    def __call__(self):
        return time.time() + self.ahead


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def look(redis, prefix, monitor, clock):
    """A sweep, by any process."""

    def sweep():
        return Monitored(redis, prefix, ShownTasks(redis, prefix, ["default"]), monitor, clock).run()

    sweep()
    return sweep


@pytest.fixture
def enqueue(ledger):
    def put(intent_id, items=(1, 2), value=VALUE, **more):
        ledger.inbox.enqueue(PackedIntent.of(wish(intent_id, items, value, **more)))

    return put


def test_a_set_is_one_task_from_its_begin_to_its_end(ledger, enqueue, look, monitor, clock):
    enqueue("a", change_set="sprint-7", note="Sprint 7")
    enqueue("b", (3,), value="w", change_set="sprint-7")
    look()
    [task] = monitor.named("change_set")
    assert task.uuid.startswith("sprint-7@20")
    assert "'change_set': 'sprint-7', 'note': 'Sprint 7'" in task.kwargs
    assert "'intents': 2, 'changes': 3" in task.kwargs
    assert (task.state, task.result) == ("STARTED", "{'pending': 3}")
    ledger.take_in()
    ledger.settle(ledger.claim())
    look()
    assert task.result == "{'succeeded': 2, 'pending': 1}"
    before = len(monitor.sent)
    look()
    assert len(monitor.sent) == before, "nothing has changed"
    ledger.do_all({3: "Terminated"})
    clock.ahead = 2 * QUIET
    look()
    assert [one.state for one in monitor.named("change_set")] == ["FAILURE"]
    assert task.exception == "ItemsFailed('1 of 3 changes failed; feishu-batch failures --set sprint-7')"
    assert task.result == "{'state': 'partial', 'counts': {'succeeded': 2, 'failed': 1}}"
    before = len(monitor.sent)
    assert look() == 0
    assert len(monitor.sent) == before
    assert VALUE not in repr([vars(one) for one in monitor.tasks.values()])


def test_a_set_that_all_succeeded_and_one_that_was_canceled(ledger, enqueue, look, monitor, clock):
    enqueue("a", change_set="good")
    ledger.do_all()
    enqueue("b", change_set="none")
    ledger.take_in()
    [number] = [number for number, lane in [ledger.inbox.locate("b")] if lane]
    ledger.lane.end_pending(number, CANCELED)
    while ledger.lane.end_stopped().more:
        pass
    clock.ahead = 2 * QUIET
    look()
    states = {task.uuid.partition("@")[0]: task.state for task in monitor.named("change_set")}
    assert states == {"good": "SUCCESS", "none": "REVOKED"}


def test_a_set_that_is_still_being_enqueued_has_not_ended(ledger, enqueue, look, monitor, clock):
    enqueue("a", change_set="slow")
    ledger.do_all()
    look()
    enqueue("b", (3,), change_set="slow", value="w")
    ledger.do_all()
    clock.ahead = 2 * QUIET
    look()
    [task] = monitor.named("change_set")
    assert (task.state, task.result) == ("SUCCESS", "{'state': 'succeeded', 'counts': {'succeeded': 3}}")


def test_a_set_that_grows_later_is_another_task(ledger, enqueue, look, monitor, clock):
    enqueue("a", change_set="daily")
    ledger.do_all()
    clock.ahead = 2 * QUIET
    look()
    time.sleep(1.1)  # the moment in its id has whole seconds
    enqueue("b", (3,), change_set="daily", value="w")
    clock.ahead = 0
    look()
    assert sorted(task.state for task in monitor.named("change_set")) == ["STARTED", "SUCCESS"]


def test_a_forgotten_set_leaves_the_display(ledger, enqueue, look, monitor):
    enqueue("a", change_set="gone")
    look()
    ledger.do_all()
    forget(ledger.inbox, ledger.lane, ledger.lane.forgettable("succeeded", -1, 9))
    assert look() == 1
    assert look() == 0


def test_a_single_intent_of_the_library_is_a_task_too(ledger, enqueue, look, monitor):
    enqueue("waits")
    look()
    assert monitor.tasks == {}, "no lane has it yet"
    ledger.take_in()
    look()
    task = monitor.tasks["waits"]
    assert (task.name, task.state) == ("feishu_batch.update_work_items", "STARTED")
    assert "'intent_id': 'waits'" in task.kwargs
    assert "'field_key': 'f', 'update_mode': 'UPDATE', 'items': 2" in task.kwargs
    ledger.do_all({2: "Terminated"})
    enqueue("quick", (9,), value="w")
    ledger.do_all()
    look()
    assert (task.state, task.exception) == ("FAILURE", "ItemsFailed('1 of 2 changes failed')")
    assert monitor.tasks["quick"].state == "SUCCESS"
    assert look() == 0
    assert VALUE not in repr([vars(one) for one in monitor.tasks.values()])


def test_an_intent_that_came_through_celery_is_left_to_celery(ledger, enqueue, look, monitor):
    enqueue("waits")
    enqueue("has-run", (5,), value="w")
    ledger.inbox.park(1, "waits", "{}", delivered_before=False)
    ledger.take_in()
    ledger.inbox.release(2)
    assert look() == 0
    assert monitor.tasks == {}


def test_an_intent_that_no_lane_has_when_others_are_recorded_is_shown_later(ledger, enqueue, look, monitor):
    enqueue("first")
    ledger.take_in()
    enqueue("second", (7,))
    look()
    ledger.take_in()
    look()
    assert set(monitor.tasks) == {"first", "second"}


def test_a_burst_does_not_flood(ledger, enqueue, look, monitor, clock):
    for number in range(150):
        enqueue(f"single-{number}", (number + 1,))
        enqueue(f"of-table-{number}", (number + 1,), value=str(number), change_set="table")
        enqueue(f"of-tiny-{number}", (number + 1,), value=str(number), change_set=f"tiny-{number}")
    ledger.take_in()
    look()
    assert len(monitor.named("update_work_items")) == NEW_INTENTS
    assert len(monitor.named("change_set")) == NEW_SETS
    before = len(monitor.tasks)
    look()
    assert len(monitor.tasks) == before, "what was passed over stays so"
    for part in range(MOST_INTENTS // NEW_INTENTS + 3):
        for number in range(NEW_INTENTS):
            enqueue(f"later-{part}-{number}", (1000 + number,), value=str(part), keep_every_change=True)
        ledger.take_in()
        look()
    assert len(monitor.named("update_work_items")) == MOST_INTENTS


def test_what_was_there_before_the_first_look_is_not_shown(redis, prefix, ledger, enqueue, monitor, clock):
    enqueue("old")
    enqueue("old-2", (3,), change_set="old")
    ledger.take_in()
    monitored = Monitored(redis, prefix, ShownTasks(redis, prefix, ["default"]), monitor, clock)
    time.sleep(1)  # sets are told apart by Redis's seconds
    for _ in range(2):
        monitored.run()
    assert monitor.tasks == {}
