"""Is everything well? Each check looks at facts that were gathered before, and says one thing: ok, or what to do. No I/O."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from worker.ledger.movement import longest_pause
from worker.ledger.trouble import DOING
from worker.ledger.vitals import Vitals
from worker.operating.views import InboxView, LaneView
from worker.processes.beacon import ROLE_OF_QUEUE
from worker.processes.redis_checks import Finding, Severity

CLOCKS_APART = 2.0  # seconds; expiry and token lifetimes are told by both clocks
INBOX_WAIT = 15.0  # seconds; a worker takes an intent in at once
OVERDUE = 60.0  # seconds; polls queue up when many jobs are open
LEASE_OVER = 30.0  # seconds; a successor takes a lease over within some
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


def check_lane(view: LaneView, seen: Vitals, slot: float, max_open: int) -> Iterator[Check]:
    """At least one check for each lane."""
    found = [
        *filter(None, [_pause(view.lane, seen)]),
        *_troubles(view.lane, seen),
        *check_submits(view.lane, seen, slot, max_open),
        *check_polls(view.lane, seen),
        *check_outbox(view.lane, seen),
    ]
    yield from found
    if not found:
        yield ok("lane", f"{view.lane}: {view.ready_changes} changes ready, {seen.open_jobs} jobs open, all moving")


def _pause(lane: str, seen: Vitals) -> Check | None:
    if seen.pause is None:
        return None
    return warn("lane", f"{lane} is paused: {seen.pause['reason']}", "When that is mended: feishu-batch resume")


def _troubles(lane: str, seen: Vitals) -> Iterator[Check]:
    for trouble, age in seen.troubles:
        if not trouble.is_tried_again(seen.pause):
            continue  # the pause says what is wrong, and what to do
        what = f"{lane}: {DOING[trouble.what]} has failed for {age:.0f} s: {trouble.error}"
        yield warn("lane", what, "It is tried again, and nothing is lost. Check the base URL, the network and Feishu.")


def check_submits(lane: str, seen: Vitals, slot: float, max_open: int) -> Iterator[Check]:
    yield from filter(None, [_sending(lane, seen, slot, max_open)])
    if seen.lease_over is not None and seen.lease_over > LEASE_OVER and not seen.pause:
        what = f"{lane}: a request was begun and nobody finishes it ({seen.lease_over:.0f} s)"
        yield fail("lane", what, "Start or restart the submit worker: it asks what became of it.")


def _sending(lane: str, seen: Vitals, slot: float, max_open: int) -> Check | None:
    if seen.pause or not seen.has_work:
        return None
    idle = seen.movement.idle_for(slot, max_open)
    if idle >= longest_pause(slot):
        what = f"{lane} has sent nothing for {idle:.0f} s, although changes are ready"
        return fail("lane", what, "Look into the submit worker's log, then restart it; nothing is lost.")
    if seen.strikes and seen.backing_off > 1:
        what = f"{lane} backs off for {seen.backing_off:.0f} s after {seen.strikes} failures in a row"
        return warn("lane", what, "It goes on by itself; see batch.not_accepted in the submit worker's log.")
    if seen.movement.unfinished >= max_open:
        what = f"{lane} waits for {seen.open_jobs} open jobs before it sends more"
        return warn("lane", what, "The remote system is slow; it goes on by itself. See FEISHU_BATCH_MAX_OPEN_JOBS.")
    return None


def check_polls(lane: str, seen: Vitals) -> Iterator[Check]:
    polling = seen.pause is None or seen.pause.get("polling")
    for overdue, what in (
        (seen.job_overdue, "an open job was not asked for"),
        (seen.check_overdue, "a batch was not read back"),
    ):
        if polling and overdue is not None and overdue > OVERDUE:
            seen_so_far = f"{lane}: {what} for {overdue:.0f} s"
            yield fail("lane", seen_so_far, "Look into the poll worker's log, then restart it.")


def check_outbox(lane: str, seen: Vitals) -> Iterator[Check]:
    if seen.outbox_overdue is not None and seen.outbox_overdue > OVERDUE:
        what = f"{lane}: {seen.unpublished} ended intents are not made known ({seen.outbox_overdue:.0f} s)"
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
