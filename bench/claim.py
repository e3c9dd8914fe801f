"""Composing and claiming a batch: server time of one claim with 1,000, 100,000 and 1,000,000 changes pending.

The server times every call itself: the difference of commandstats' `evalsha` around one claim, in microseconds. What a claim
costs depends on how many changes it takes: the medians that are compared over the backlog are those of full batches.
Also the longest single script call while an intent of 10,000 items is recorded, claimed, settled and canceled.
"""

from uuid import uuid4

from bench.backlog import fill
from bench.common import Report, arguments, median, quantile
from bench.server import Server
from bench.world import intent, runtime_for, settings_for
from feishu_batch.outcomes import OutcomeKind
from feishu_batch.packing import PackedIntent
from worker.ledger.lane import Lane
from worker.ledger.records import SUCCEEDED, Batch, BatchState, Outcome
from worker.ledger.routes import BATCH

SHAPES = {
    "one group, intents of 50 items": (1, 50),
    "one group, single-item intents": (1, 1),
    "200 groups (Zipf), single-item intents": (200, 1),
}
LARGE, SMALL_FILLS = 10_000, 5


def claim(lane: Lane) -> Batch:
    batch = lane.claim(
        owner=str(uuid4()), lease=6, max_open=10**6, max_wait=120, idem_uuid=str(uuid4()), token_fingerprint="t"
    )
    assert isinstance(batch, Batch), batch
    return batch


def accept(lane: Lane, batch: Batch) -> None:
    lane.advance(batch, state=BatchState.SENDING, settled={}, then=BatchState.OPEN, delay=1, fields={"task": "1"})


def settle(lane: Lane, batch: Batch) -> None:
    lane.advance(batch, state=BatchState.OPEN, settled=dict.fromkeys(batch.cells, SUCCEEDED), then=BatchState.OPEN)


def script_time(server: Server) -> tuple[int, float]:
    usage = server.redis.info("commandstats")["cmdstat_evalsha"]
    return usage["calls"], usage["usec"]


def timed_claims(server: Server, lane: Lane, count: int) -> list[tuple[float, int]]:
    """(milliseconds of server time, changes) of each. It is accepted and settled before the next, as a lane does."""
    claim_and_settle(lane)  # loads the scripts
    taken = []
    for _ in range(count):
        before = script_time(server)
        batch = claim(lane)
        calls, micros = (after - earlier for after, earlier in zip(script_time(server), before, strict=True))
        assert calls == 1
        taken.append((micros / 1000, len(batch.items)))
        accept(lane, batch)
        settle(lane, batch)
    return taken


def claims(pending: int, groups: int, per_intent: int) -> list[tuple[float, int]]:
    """As `timed_claims`, of a backlog of this shape; a small one is gone after a few, so it is filled several times."""
    taken: list[tuple[float, int]] = []
    for _ in range(SMALL_FILLS if pending < LARGE else 1):
        with Server("everysec") as server:
            runtime = runtime_for(settings_for(server.url))
            fill(runtime, pending, groups, per_intent)
            taken += timed_claims(server, next(iter(runtime.lanes.values())).lane, min(300, pending // 60))
    return taken


def claim_and_settle(lane: Lane) -> None:
    batch = claim(lane)
    accept(lane, batch)
    settle(lane, batch)


def longest_call(items: int) -> dict[str, float]:
    """Milliseconds of the longest script call of each step of a large intent, by the server's SLOWLOG."""
    with Server("everysec") as server:
        runtime = runtime_for(settings_for(server.url))
        lane = next(iter(runtime.lanes.values())).lane
        server.redis.config_set("slowlog-log-slower-than", 0)
        server.redis.config_set("slowlog-max-len", 100_000)
        longest = {}

        def step(name: str) -> None:
            longest[name] = max((took for took, what in server.slowest() if what.upper().startswith("EVAL")), default=0)
            server.redis.slowlog_reset()

        fill(runtime, items, 1, items)
        step(f"record an intent of {items:,} items")
        fill(runtime, items, 1, items, keep=True)
        step("record a second one behind it")
        runtime.inbox.enqueue(PackedIntent.of(intent(range(1, items + 1), "another value")))
        step(f"write an intent of {items:,} items into the inbox")
        runtime.intake.drain()
        batch = claim(lane)
        step("claim")
        accept(lane, batch)
        step("accept")
        settle(lane, batch)
        step("settle 50 items whose cells pass on")
        batch = claim(lane)
        accept(lane, batch)
        failed = Outcome.failed("WorkItemTerminated", "the remote job refused the item: WorkItemTerminated")
        lane.advance(batch, state=BatchState.OPEN, settled=dict.fromkeys(batch.cells, failed), then=BatchState.OPEN)
        step("settle 50 items as failed")
        lane.end_pending(int(batch.intents[0]), Outcome(OutcomeKind.CANCELED))
        step(f"cancel {items:,} items, shared or owned")
        return longest


def main() -> None:
    given = arguments(__doc__ or "")
    report = Report("claim", "Server time of composing and claiming a batch", quick=given.quick)
    sizes = [1_000, 10_000, 100_000] if given.quick else [1_000, 100_000, 1_000_000]
    for name, (groups, per_intent) in SHAPES.items():
        medians, series = [], {}
        for pending in sizes:
            counted = claims(pending, groups, per_intent)
            taken, full = [took for took, _ in counted], [took for took, items in counted if items == BATCH.items]
            report.add(f"{name}, {pending:,} pending: p50", median(taken), "ms")
            report.add(f"{name}, {pending:,} pending: p99", quantile(taken, 0.99), "ms", "≤ 5")
            if len(full) < len(taken):
                report.add(f"{name}, {pending:,} pending: p50 of full batches", median(full), "ms")
            medians.append(median(full))
            series[pending] = [median(full), quantile(full, 0.99)]
        report.add(f"{name}: slowest median of full batches over fastest", max(medians) / min(medians), "×", "≤ 2")
        report.data[name] = series
    for name, seconds in longest_call(10_000).items():
        report.add(f"longest call: {name}", seconds, "ms", "≤ 10")
    report.write()


if __name__ == "__main__":
    main()
