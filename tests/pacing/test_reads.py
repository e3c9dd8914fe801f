"""What an answer to a read does to the slots: the same, whoever read."""

from types import SimpleNamespace

import pytest

from tests.decisions.factory import make_batch, make_policy
from worker.catalogue.queries import QuerySender
from worker.pacing.slots import Reservation, Slots
from worker.pipeline.access_probe import AccessProbe
from worker.pipeline.read_back import ReadBack
from worker.remote.errors import BatchRefused, NotExecuted, OutcomeUnknown, RateLimited, RemoteError

SLOT = 0.05
PAUSES = [(RateLimited, 5), (NotExecuted, 5), (OutcomeUnknown, 5), (BatchRefused, 0)]
TOKENS = SimpleNamespace(get=lambda: "token")


@pytest.fixture
def slots(redis, prefix):
    return Slots(redis, f"{prefix}:{{lane}}:slot:read", SLOT)


class Remote:
    """While its answer to the read is on its way, another reader takes a slot."""

    def __init__(self, slots, error):
        self.slots, self.error = slots, error

    def query_items(self, *_, **__):
        assert isinstance(self.slots.reserve(ahead=1), Reservation)
        raise self.error

    projects_detail = query_items


def by_sender(slots, remote):
    with pytest.raises(RemoteError):
        QuerySender(TOKENS, slots, lambda: None, 1.0, lambda _: None).ask(remote.query_items, may_stop=False)


def by_probe(slots, remote):
    AccessProbe(remote, TOKENS, slots).space("p", None)


def by_read_back(slots, remote):
    steps = SimpleNamespace(
        token=lambda: "token", settle_slot=lambda mine, own, error: mine.hold_off(own, error.retry_after)
    )
    due = SimpleNamespace(run_one=lambda _where, carry_out, _again: carry_out(make_batch()), apply=lambda *_: None)
    ReadBack(
        lane=SimpleNamespace(last_errors=SimpleNamespace(none=lambda: True)),
        slots=slots,
        remote=remote,
        steps=steps,
        due=due,
        hints=SimpleNamespace(read_back=None),
        blame=SimpleNamespace(judged=lambda _batch, error: error),
        policy=make_policy(),
    ).run()


@pytest.mark.parametrize("read", [by_sender, by_probe, by_read_back])
@pytest.mark.parametrize(("kind", "pause"), PAUSES)
def test_a_pause_that_an_answer_asks_for_holds_for_everybody(slots, read, kind, pause):
    read(slots, Remote(slots, kind("slow down", retry_after=5.0)))
    assert pause - 0.5 < slots.opens_in() < pause + 1
