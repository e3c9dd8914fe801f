"""What a test leaves behind in a stack that it shares is gone for the next one."""

import signal
from types import SimpleNamespace

import pytest

from tests.support.model import intent
from tests.support.reruns import LINES, MOST, note_stacks, renew_stacks, told
from tests.support.stack import Stack
from tests.support.waiting import PATIENCE


class HastyStack(Stack):
    def wait_until_idle(self, timeout: float = 20) -> None:
        super().wait_until_idle(1)


def leave_in_disorder(stack):
    with stack.lent():
        stack.sandbox.set_faults("batch_update:drop_before=1")
        stack.start_twin("poll")
        stack.signal("submit", signal.SIGSTOP)
        stack.client.enqueue_many([intent([1001], "left behind")])


def test_a_stack_that_does_not_come_to_rest_starts_over(tmp_path):
    with HastyStack(tmp_path) as stack:
        with pytest.raises(TimeoutError, match="nothing is left to do"):
            leave_in_disorder(stack)
        with stack.lent():
            [handle] = stack.client.enqueue_many([intent([1001], "mine")])
            assert handle.wait(PATIENCE).requests == 1
            assert [batch["item_ids"] for batch in stack.batches()] == [[1001]]


def test_a_test_that_is_run_again_meets_nothing_of_its_first_run(tmp_path):
    """The same intent, under the same id, is applied again, by workers with the settings of before."""
    item = SimpleNamespace(stash=pytest.Stash())
    with Stack(tmp_path) as stack:
        patience = stack.settings.backoff_max_seconds
        item.funcargs = {"stack": stack, "number": 7}
        for _ in range(2):
            renew_stacks(item)
            assert stack.settings.backoff_max_seconds == patience
            with stack.lent():
                stack.change(backoff_max_seconds=patience + 1)
                [handle] = stack.client.enqueue_many([intent([1001], "mine", intent_id="one")])
                assert handle.wait(PATIENCE).ok
                assert [batch["item_ids"] for batch in stack.batches()] == [[1001]]
            note_stacks(item)
    before = stack.pids()
    renew_stacks(item)
    assert stack.pids() == before  # it is closed: nothing starts


def test_the_end_of_a_run_says_why_tests_were_run_again_in_bounded_words():
    text = "\n".join(map(str, range(100)))
    reports = [SimpleNamespace(nodeid=f"test-{n}", when="call", longreprtext=text) for n in range(MOST + 5)]
    lines = list(told(reports))
    assert lines[0] == f"Tests of real processes that were run again: {MOST + 5}"
    assert lines[1:4] == ["--- test-0 (call)", str(100 - LINES), str(101 - LINES)]
    assert lines[-2:] == ["99", "--- and 5 more"]
    assert len(lines) == 1 + MOST * (1 + LINES) + 1
    assert list(told([])) == ["Tests of real processes that were run again: 0"]
