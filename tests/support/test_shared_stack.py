"""What a test leaves behind in a stack that it shares is gone for the next one."""

import signal

import pytest

from tests.support.model import intent
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
