"""Health checks on facts that were gathered before: each is ok, or says what to do. No I/O."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from config.routing import QueueName
from worker.ledger.last_errors import DOING
from worker.ledger.reads.lane_health import LaneHealth
from worker.ledger.single_route import SingleState
from worker.ledger.stall import stalled_after
from worker.operating.probing.readings import NOT_SETTLED
from worker.operating.redis_checks import RedisFinding, Severity
from worker.operating.views import InboxView, LaneView

CLOCKS_APART = 2.0  # seconds; expiry times and token lifetimes are compared between both clocks
INBOX_WAIT = 15.0  # seconds; a worker records an intent at once
OVERDUE = 60.0  # seconds; polls queue up when many jobs are open
LEASE_OVER = 30.0  # seconds; a successor takes over a lease within a few seconds
DISK_LOW, DISK_FULL = 1024**3, 100 * 1024**2  # free bytes, where the embedded server keeps its files
SIGNS_OF_LIFE = 1024**2  # free bytes, where only the workers keep small files
_ADVICE = "The worker retries it, and no change is lost. Check the base URL, the network and Feishu."
SINGLES_ADVICE = (
    "No change is lost. If the plugin may not use the endpoint, grant it, then run: feishu-batch resume. "
    "Or set FEISHU_BATCH_SINGLE_UPDATES_PER_SECOND=0. "
    "If the day's requests are used up, it continues tomorrow."
)
_LOOK_UP_ADVICE = (
    "Intents with names fail as cannot_resolve meanwhile. Check the base URL, the network and Feishu; then run:"
    " feishu-batch retry --reason cannot_resolve"
)


class Mark(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    name: str
    mark: Mark
    what: str
    advice: str = ""


def ok(name: str, what: str) -> Check:
    return Check(name, Mark.OK, what)


def warn(name: str, what: str, advice: str) -> Check:
    return Check(name, Mark.WARN, what, advice)


def fail(name: str, what: str, advice: str) -> Check:
    return Check(name, Mark.FAIL, what, advice)


def check_settings(unknown: Mapping[str, str]) -> Iterator[Check]:
    """`unknown`: variables that are not settings, each with the nearest real name or ""."""
    for name, nearest in unknown.items():
        advice = f"Did you mean {nearest}?" if nearest else "Remove it."
        yield warn("settings", f"{name} is not a setting and is ignored", advice)
    if not unknown:
        yield ok("settings", "every variable is a setting")


def check_redis(findings: Sequence[RedisFinding]) -> Iterator[Check]:
    for finding in findings:
        mark = Mark.FAIL if finding.severity is Severity.FATAL else Mark.WARN
        yield Check("redis", mark, finding.what, finding.advice)
    if not findings:
        yield ok("redis", "version, persistence, eviction and memory are suitable")


def check_clock(here: float, there: float) -> Check:
    apart = abs(here - there)
    if apart <= CLOCKS_APART:
        return ok("clock", f"this machine and Redis agree within {CLOCKS_APART:g} s")
    advice = "Synchronize both by NTP: expiry times and token lifetimes are compared between them."
    return warn("clock", f"this machine and Redis are {apart:.0f} s apart", advice)


def check_workers(roles: Mapping[str, str], queues: Collection[str] | None) -> Iterator[Check]:
    """`roles`: by the queue that is consumed; `queues`: those with a running consumer; None: no worker answered."""
    missing = [role for queue, role in roles.items() if queue not in (queues or ())]
    if not missing:
        yield ok("workers", "submit, poll and intake workers answer")
    for role in missing:
        yield fail("workers", f"no {role} worker answers", "Start `feishu-batch up`, or check that worker's log.")


def check_strays(queue: str, waiting: int | None) -> Iterator[Check]:
    """`queue`: where this deployment takes Celery tasks; `waiting`: how many wait where the default key prefix takes them."""
    if queue != QueueName.INTENTS and waiting:
        what = f"{waiting} messages wait in the queue {QueueName.INTENTS}, which belongs to the default key prefix"
        yield warn("workers", what, f"If they are meant for this deployment, send them to the queue {queue}.")


def check_beat(lanes: Mapping[str, LaneHealth], sweep_every: float) -> Iterator[Check]:
    limit = 3 * sweep_every + 10  # a tick, its message and a busy worker
    for lane, seen in lanes.items():
        if seen.swept is None or seen.swept > limit:
            since = "within the last day" if seen.swept is None else f"for {seen.swept:.0f} s"
            advice = "Start beat (`feishu-batch up` does); the intake worker must run too."
            yield fail("beat", f"lane {lane} was not swept {since}", advice)
        else:
            yield ok("beat", f"lane {lane} was swept {seen.swept:.0f} s ago")


def check_inbox(inbox: InboxView) -> Check:
    if inbox.oldest_wait is None or inbox.oldest_wait < INBOX_WAIT:
        return ok("inbox", f"{inbox.intents} intents waiting")
    what = f"{inbox.intents} intents are not recorded, the oldest for {inbox.oldest_wait:.0f} s"
    return fail("inbox", what, "Check that an intake worker runs with the same Redis and key prefix.")


def check_lane(view: LaneView, seen: LaneHealth, slot: float, max_open: int) -> Iterator[Check]:
    """At least one check for each lane."""
    found = [
        *filter(None, [_pause(view.lane, seen)]),
        *_troubles(view.lane, seen),
        *check_submits(view.lane, seen, slot, max_open),
        *check_polls(view.lane, seen),
        *check_outbox(view.lane, seen),
        *check_singles(view.lane, view.singles, seen.singles_idle),
    ]
    yield from found
    if not found:
        yield ok("lane", f"{view.lane}: {view.ready_changes} changes ready, {seen.open_jobs} jobs open, none overdue")


def check_singles(lane: str, state: SingleState, idle: float | None) -> Iterator[Check]:
    """Only where the settings have the route on."""
    if idle is not None and idle >= OVERDUE:
        what = f"{lane} has sent no single update for {idle:.0f} s, although changes wait for one"
        yield fail("lane", what, "Check the log of the poll worker, which sends them, then restart it.")
    if state.rate and not state.is_on:
        what = f"{lane}: single updates are off for another {state.off_for:.0f} s, so everything goes by batches: {state.why}"
        yield warn("lane", what, SINGLES_ADVICE)


def _pause(lane: str, seen: LaneHealth) -> Check | None:
    if seen.pause is None:
        return None
    return warn("lane", f"{lane} is paused: {seen.pause['reason']}", "After fixing it, run: feishu-batch resume")


def _troubles(lane: str, seen: LaneHealth) -> Iterator[Check]:
    for trouble, age in seen.last_errors:
        if not trouble.is_tried_again(seen.pause):
            continue  # the check of the pause says what is wrong, and what to do
        what = f"{lane}: {DOING[trouble.what]} has failed for {age:.0f} s: {trouble.error}"
        yield warn("lane", what, _LOOK_UP_ADVICE if trouble.what == "look_up" else _ADVICE)


def check_submits(lane: str, seen: LaneHealth, slot: float, max_open: int) -> Iterator[Check]:
    yield from filter(None, [_sending(lane, seen, slot, max_open)])
    if seen.lease_over is not None and seen.lease_over > LEASE_OVER and not seen.pause:
        what = f"{lane}: a request was started and its worker is gone ({seen.lease_over:.0f} s)"
        yield fail("lane", what, "Start or restart the submit worker: it finds out the result.")


def _sending(lane: str, seen: LaneHealth, slot: float, max_open: int) -> Check | None:
    if seen.pause or not seen.has_work:
        return None
    idle = seen.send_state.idle_for(slot, max_open)
    if idle >= stalled_after(slot):
        what = f"{lane} has sent nothing for {idle:.0f} s, although changes are ready"
        return fail("lane", what, "Check the submit worker's log, then restart it; no change is lost.")
    if seen.strikes and seen.backing_off > 1:
        what = f"{lane} backs off for {seen.backing_off:.0f} s after {seen.strikes} failures in a row"
        return warn("lane", what, "It continues automatically; see batch.not_accepted in the submit worker's log.")
    if seen.send_state.unfinished >= max_open:
        what = f"{lane} waits for {seen.open_jobs} open jobs before it sends more"
        return warn(
            "lane", what, "The remote system is slow; the lane continues automatically. See FEISHU_BATCH_MAX_OPEN_JOBS."
        )
    return None


def check_polls(lane: str, seen: LaneHealth) -> Iterator[Check]:
    polling = seen.pause is None or seen.pause.get("polling")
    for overdue, what in (
        (seen.job_overdue, "an open job was not polled"),
        (seen.check_overdue, "a batch was not read back"),
    ):
        if polling and overdue is not None and overdue > OVERDUE:
            seen_so_far = f"{lane}: {what} for {overdue:.0f} s"
            yield fail("lane", seen_so_far, "Check the poll worker's log, then restart it.")


def check_outbox(lane: str, seen: LaneHealth) -> Iterator[Check]:
    if seen.outbox_overdue is not None and seen.outbox_overdue > OVERDUE:
        what = (
            f"{lane}: the results of {seen.unpublished} ended intents are not published ({seen.outbox_overdue:.0f} s)"
        )
        yield fail("lane", what, "Check that FEISHU_BATCH_RESULT_BACKEND can be reached, and the intake worker's log.")


def check_probe(lane: str, found: Mapping[str, Any], when: str) -> Check:
    """`found`: what `feishu-batch probe` kept; `when`: its time, for people."""
    readings = {name: one["finding"] for name, one in found["readings"].items()}
    settled = [f"{name}: {finding}" for name, finding in readings.items() if finding != NOT_SETTLED]
    left = [name for name, finding in readings.items() if finding == NOT_SETTLED]
    parts = [", ".join(settled)] * bool(settled) + [f"not settled: {', '.join(left)}"] * bool(left)
    where = f"{found['type']} in {found['space']} at {found['host']}"
    return ok("probe", f"{lane}: probed {when} with {where} ({'; '.join(parts)})")


def check_disk(free: int, total: int, where: str, *, holds_ledger: bool) -> Check:
    what = f"{_size(free)} of {_size(total)} are free at {where}"
    if free >= (DISK_LOW if holds_ledger else SIGNS_OF_LIFE):
        return ok("disk", what)
    if not holds_ledger:  # an external Redis keeps the ledger, on a disk that we cannot see
        return fail("disk", what, "Free some space: the workers write the files there that `health` reads.")
    advice = "Free some space: a server that cannot write its append-only file refuses every change."
    return fail("disk", what, advice) if free < DISK_FULL else warn("disk", what, advice)


def _size(count: int) -> str:
    return f"{count / 1024**3:.1f} GiB" if count >= 1024**3 else f"{count / 1024**2:.1f} MiB"
