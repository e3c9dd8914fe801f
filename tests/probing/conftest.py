"""A probe against a sandbox, with the slots of a lane in a real Redis."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from pydantic import SecretStr
from redis import Redis

from sandbox.process import SandboxProcess
from worker.ledger.lane import Lane
from worker.operating.probing.every import chosen_steps
from worker.operating.probing.originals import Originals
from worker.operating.probing.place import ProbePlace, TrialField
from worker.operating.probing.probe import ProbeOutcome, make_readings
from worker.operating.probing.readings import Reading
from worker.operating.probing.restoring import restore
from worker.operating.probing.run import ProbeRun
from worker.operating.probing.sender import ProbeSender, ProbeSlots
from worker.pacing.shared import Pacer
from worker.remote.client import RemoteClient
from worker.remote.tokens import MemoryTokenStore, TokenSource
from worker.remote.transport import HttpTransport

PROJECT, USER = "5f0c1a2b3c4d5e6f70818283", "7300000000000000001"
POINTS = TrialField("field_3f6a90", "number", (1, 2))
TAGS = TrialField("tags", "multi_select", ([{"value": "n8d2k5j1h"}], [{"value": "q4w7e9r3y"}]))
ITEMS = (1001, 1002)
BEFORE = {item: {POINTS.key: 7, TAGS.key: [{"value": "u5i8o2p6a"}]} for item in ITEMS}
SECOND = 0.3  # of a sandbox whose windows are as long
EXACT = 1.0  # seconds; where the distances of requests count

Prober = Callable[..., tuple[SandboxProcess, ProbeRun]]


@pytest.fixture
def prober(redis: Redis, prefix: str) -> Iterator[Prober]:
    """`options` are the sandbox's; the values of before are those of `BEFORE`."""
    with ExitStack() as opened:

        def start(
            *, second: float = SECOND, faults: tuple[str, ...] = (), **options: Any
        ) -> tuple[SandboxProcess, ProbeRun]:
            given = {"window": second, "job_median": second / 4, "job_sigma": 0.2, "seed": 1, **options}
            sandbox = opened.enter_context(SandboxProcess(**given))
            for item, fields in BEFORE.items():
                for key, value in fields.items():
                    sandbox.edit(item, key, value)
            sandbox.set_faults(*faults)
            return sandbox, ProbeRun(
                _sender(sandbox, redis, prefix, second, opened), ProbePlace(PROJECT, "story", ITEMS, (POINTS, TAGS))
            )

        yield start


def _sender(sandbox: SandboxProcess, redis: Redis, prefix: str, second: float, opened: ExitStack) -> ProbeSender:
    lane = Lane(redis, prefix, "default")
    pacer = Pacer.of_one(redis, lane)
    transports = [HttpTransport(sandbox.base_url, 5.0) for _ in range(6)]
    for transport in transports:
        opened.callback(transport.close)
    clients = [
        RemoteClient(one, plugin_id="plugin", plugin_secret=SecretStr("secret"), user_key=USER) for one in transports
    ]
    return ProbeSender(
        clients=clients,
        tokens=TokenSource(clients[0], MemoryTokenStore()),
        slots=ProbeSlots(
            submit=pacer.slots("submit", second),
            poll=pacer.slots("poll", second),
            read=pacer.slots("read", second / 15),
        ),
        place=ProbePlace(PROJECT, "story", ITEMS, (POINTS, TAGS)),
        keep_out=lambda: lane.hold(1.0),
        second=second,
    )


def probe(run: ProbeRun, *names: str, first: bool = False) -> tuple[dict[str, Reading], ProbeOutcome]:
    """`first`: with the two readings by which the others know how to write and when to read. Without names: all."""
    steps = [step for step in chosen_steps(names) if first or not names or step.name in names]
    result = ProbeOutcome()
    make_readings(run, steps, lambda _reading: None, result)
    assert result.error is None, result.stopped
    before = Originals({(item, key): value for item, fields in BEFORE.items() for key, value in fields.items()}, {})
    assert restore(run, before, grace=0.0) == []
    return {one.name: one for one in result.readings}, result
