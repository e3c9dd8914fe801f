"""Is everything well? Each check looks at facts that were gathered before, and says one thing: ok, or what to do. No I/O."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from worker.ledger.trouble import DOING
from worker.ledger.vitals import Vitals
from worker.operating.views import InboxView, LaneView
from worker.processes.beacon import ROLE_OF_QUEUE, Beacon
from worker.processes.redis_checks import Finding, Severity

CLOCKS_APART = 2.0  # seconds; expiry and token lifetimes are told by both clocks
INBOX_WAIT = 15.0  # seconds; a worker takes an intent in at once
STANDSTILL = 30.0  # seconds without a request although there is work
OVERDUE = 60.0  # seconds; polls queue up when many jobs are open
LEASE_OVER = 30.0  # seconds; a successor takes a lease over within some
SIGNS_MISSED = 3  # of a worker, before it counts as stopped
BROKER_GONE = 30.0  # seconds; a broker that starts again is back sooner
DISK_LOW, DISK_FULL = 1024**3, 100 * 1024**2  # bytes that are free, where the embedded server keeps its files
SIGNS_OF_LIFE = 1024**2  # bytes that are free, where there is nothing but small files of the workers


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


def check_settings(strangers: Mapping[str, str]) -> Iterator[Check]:
    """`strangers`: variables that are no setting, each with the nearest real name or ""."""
    for name, nearest in strangers.items():
        advice = f"Did you mean {nearest}?" if nearest else "Remove it."
        yield warn("settings", f"{name} is not a setting and is ignored", advice)
    if not strangers:
        yield ok("settings", "every variable is a setting")


def check_redis(findings: Sequence[Finding]) -> Iterator[Check]:
    for finding in findings:
        mark = Mark.FAIL if finding.severity is Severity.FATAL else Mark.WARN
        yield Check("redis", mark, finding.what, finding.advice)
    if not findings:
        yield ok("redis", "version, persistence, eviction and memory are as they should be")


def check_clock(here: float, there: float) -> Check:
    apart = abs(here - there)
    if apart <= CLOCKS_APART:
        return ok("clock", f"this machine and Redis agree within {CLOCKS_APART:g} s")
    advice = "Set both by NTP: expiry times and token lifetimes are told by both clocks."
    return warn("clock", f"this machine and Redis are {apart:.0f} s apart", advice)


def check_workers(queues: Collection[str] | None) -> Iterator[Check]:
    """`queues`: those that somebody consumes; None: nobody answered."""
    missing = [role for queue, role in ROLE_OF_QUEUE.items() if queue not in (queues or ())]
    if not missing:
        yield ok("workers", "submit, poll and intake workers answer")
    for role in missing:
        yield fail("workers", f"no {role} worker answers", "Start `feishu-batch up`, or look into that worker's log.")


def check_beat(lanes: Mapping[str, Vitals], sweep_every: float) -> Iterator[Check]:
    limit = 3 * sweep_every + 10  # a tick, its message and a worker that is busy
    for lane, seen in lanes.items():
        if seen.swept is None or seen.swept > limit:
            since = "within the last day" if seen.swept is None else f"for {seen.swept:.0f} s"
            advice = "Start beat (`feishu-batch up` does); the intake worker has to run as well."
            yield fail("beat", f"lane {lane} was not swept {since}", advice)
        else:
            yield ok("beat", f"lane {lane} was swept {seen.swept:.0f} s ago")


def check_inbox(inbox: InboxView) -> Check:
    if inbox.oldest_wait is None or inbox.oldest_wait < INBOX_WAIT:
        return ok("inbox", f"{inbox.intents} intents wait to be taken in")
    what = f"{inbox.intents} intents are not taken in, the oldest for {inbox.oldest_wait:.0f} s"
    return fail("inbox", what, "See whether an intake worker runs with the same Redis and key prefix.")


def check_lane(view: LaneView, seen: Vitals, max_open: int) -> Iterator[Check]:
    """At least one check for each lane."""
    found = [
        *filter(None, [_pause(view)]),
        *_troubles(view, seen),
        *check_submits(view, seen, max_open),
        *check_polls(view, seen),
        *check_outbox(view, seen),
    ]
    yield from found
    if not found:
        yield ok(
            "lane", f"{view.lane}: {view.ready_changes} changes ready, {view.counts.open_jobs} jobs open, all moving"
        )


def check_beacon(role: str, beacon: Beacon | None) -> Check:
    """Whether the worker of that role on this machine lives and gets on, by what it last told of itself."""
    restart = f"Look into the {role} worker's log, then restart it; nothing is lost."
    if beacon is None:
        advice = "Wait for its first sign of life, or give this command the worker's FEISHU_BATCH_DATA_DIR."
        return fail(role, "the worker has told nothing of itself here", advice)
    if not -CLOCKS_APART <= beacon.age <= SIGNS_MISSED * beacon.every + CLOCKS_APART:
        return fail(role, f"the worker has told nothing of itself for {beacon.age:.0f} s", restart)
    if beacon.stalled_for >= beacon.patience / 2:
        return fail(role, f"messages wait, and the worker takes none for {beacon.stalled_for:.0f} s", restart)
    if beacon.broker_gone_for > BROKER_GONE:
        what = f"the worker cannot reach the broker for {beacon.broker_gone_for:.0f} s"
        return fail(role, what, "Check FEISHU_BATCH_BROKER_URL, and the broker.")
    return ok(role, "the worker gets on")


def _pause(view: LaneView) -> Check | None:
    if view.pause is None:
        return None
    what = f"{view.lane} is paused: {view.pause['reason']}"
    return warn("lane", what, "When that is mended: feishu-batch resume")


def _troubles(view: LaneView, seen: Vitals) -> Iterator[Check]:
    for trouble, age in seen.troubles:
        if not trouble.is_tried_again(view.pause):
            continue  # the pause says what is wrong, and what to do
        what = f"{view.lane}: {DOING[trouble.what]} has failed for {age:.0f} s: {trouble.error}"
        yield warn("lane", what, "It is tried again, and nothing is lost. Check the base URL, the network and Feishu.")


def check_submits(view: LaneView, seen: Vitals, max_open: int) -> Iterator[Check]:
    yield from filter(None, [_sending(view, seen, max_open)])
    if seen.lease_over is not None and seen.lease_over > LEASE_OVER and not view.pause:
        what = f"{view.lane}: a request was begun and nobody finishes it ({seen.lease_over:.0f} s)"
        yield fail("lane", what, "Start or restart the submit worker: it asks what became of it.")


def _sending(view: LaneView, seen: Vitals, max_open: int) -> Check | None:
    counts = view.counts
    if view.pause or not (view.ready_changes or counts.due_batches):
        return None
    if seen.strikes and seen.backing_off > 1:
        what = f"{view.lane} backs off for {seen.backing_off:.0f} s after {seen.strikes} failures in a row"
        return warn("lane", what, "It goes on by itself; see batch.not_accepted in the submit worker's log.")
    if counts.open_jobs + counts.checks + counts.due_batches >= max_open:
        what = f"{view.lane} waits for {counts.open_jobs} open jobs before it sends more"
        return warn("lane", what, "The remote system is slow; it goes on by itself. See FEISHU_BATCH_MAX_OPEN_JOBS.")
    waits = view.longest_wait or 0.0
    if counts.sending or waits < STANDSTILL or (seen.sent is not None and seen.sent < STANDSTILL):
        return None
    since = "ever" if seen.sent is None else f"for {seen.sent:.0f} s"
    what = f"{view.lane} has sent nothing {since}, although {view.ready_changes} changes are ready"
    return fail("lane", what, "Look into the submit worker's log, then restart it; nothing is lost.")


def check_polls(view: LaneView, seen: Vitals) -> Iterator[Check]:
    polling = view.pause is None or view.pause.get("polling")
    for overdue, what in (
        (seen.job_overdue, "an open job was not asked for"),
        (seen.check_overdue, "a batch was not read back"),
    ):
        if polling and overdue is not None and overdue > OVERDUE:
            yield fail(
                "lane", f"{view.lane}: {what} for {overdue:.0f} s", "Look into the poll worker's log, then restart it."
            )


def check_outbox(view: LaneView, seen: Vitals) -> Iterator[Check]:
    if seen.outbox_overdue is not None and seen.outbox_overdue > OVERDUE:
        what = f"{view.lane}: {view.counts.unpublished} ended intents are not made known ({seen.outbox_overdue:.0f} s)"
        yield fail("lane", what, "See whether FEISHU_BATCH_RESULT_BACKEND can be reached, and the intake worker's log.")


def check_disk(free: int, total: int, where: str, *, holds_ledger: bool) -> Check:
    what = f"{_size(free)} of {_size(total)} are free at {where}"
    if free >= (DISK_LOW if holds_ledger else SIGNS_OF_LIFE):
        return ok("disk", what)
    if not holds_ledger:  # an external Redis keeps it, on a disk that we cannot see
        return fail("disk", what, "Make room: workers tell there that they live, and `health` needs to read it.")
    advice = "Make room: a server that cannot write its append-only file refuses every change."
    return fail("disk", what, advice) if free < DISK_FULL else warn("disk", what, advice)


def _size(count: int) -> str:
    return f"{count / 1024**3:.1f} GiB" if count >= 1024**3 else f"{count / 1024**2:.1f} MiB"
