"""Polls per job, and how long an ended job waits to be noticed: the worker's own arithmetic in virtual time.

One submit and one poll a second, as the remote system allows. Job times are log-normal. Whom to ask next is what
pick.lua decides: the longest overdue; when to ask again is `worker.decisions.polling`. At full load a batch is sent in every slot; at 30 %
they come at random. Beside it, on the same jobs: a poll every 2 s, and polls after 1, 2, 4, … 30 s, each as a queue of retries.
"""

import math
import random
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from bench.common import Report, arguments, median, quantile
from worker.decisions.polling import estimated_duration, first_look, next_look

SLOT = 1.004  # seconds between two arrivals, as measured by the pacing benchmark
THERE = 0.0125  # seconds on the way, each direction
MAX_OPEN = 200  # the setting MAX_OPEN_JOBS
REMEMBERED = 64  # durations that the ledger keeps per size class (Lane.note_duration)
BATCH = 50
IDLE_SHARE = 0.3  # of a job's time, at most, before its first item, as in the sandbox


@dataclass
class Job:
    sent_at: float
    ends_at: float
    lands_at: list[float]  # its items, one by one, as in the sandbox
    due_at: float = 0.0
    polls: int = 0
    seen_running: float = 0.0

    def progress(self, at: float) -> float:
        return sum(landed <= at for landed in self.lands_at) / len(self.lands_at)


@dataclass
class Learned:
    """Ours: delays from the durations of the last jobs, and from what a running job tells of its progress."""

    has_progress: bool = True
    durations: deque[float] = field(default_factory=lambda: deque(maxlen=REMEMBERED))

    def delay(self, job: Job, now: float) -> float:
        if not job.polls:
            return first_look(self.durations, SLOT)
        progress = job.progress(now - THERE) if self.has_progress else 0.0
        return next_look(now - job.sent_at, self.durations, SLOT, progress)

    def ended(self, job: Job, now: float) -> None:
        self.durations.appendleft(estimated_duration(job.seen_running, now - job.sent_at))


@dataclass
class Foresight(Learned):
    """Not possible in practice: from the first look on it knows when the job ends. It still waits for the one poll slot a second."""

    def delay(self, job: Job, now: float) -> float:
        return max(SLOT, job.ends_at - THERE - now) if job.polls else super().delay(job, now)


@dataclass
class Fixed:
    """A peer: so many seconds after the submit, the first poll, the second …; nothing is learned."""

    gap: Callable[[int], float]

    def delay(self, job: Job, _now: float) -> float:
        return self.gap(job.polls)

    def ended(self, job: Job, now: float) -> None: ...


@dataclass
class Seen:
    polls: list[int]
    lags: list[float]
    open_jobs: list[int]
    seconds: float

    @property
    def jobs_per_second(self) -> float:
        return len(self.polls) / self.seconds


def simulate(policy: Learned | Fixed, *, load: float, typical: float, jobs: int, seed: int = 1) -> Seen:
    """Until so many jobs have ended; the first tenth is not counted (nothing is known yet)."""
    rng = random.Random(seed)
    waiting: list[Job] = []
    arrivals = _arrivals(load, rng)
    next_work, next_submit, next_poll = next(arrivals), 0.0, 0.0
    seen = Seen([], [], [], 0.0)
    ended, counted_from = 0, 0.0
    while ended < jobs:
        first_due = min((job.due_at for job in waiting), default=float("inf"))
        poll_at = max(next_poll, first_due)
        submit_at = max(next_submit, next_work) if len(waiting) < MAX_OPEN else float("inf")
        if submit_at <= poll_at:
            accepted = submit_at + 2 * THERE
            job = new_job(submit_at + THERE, accepted, typical * rng.lognormvariate(0, 0.5), rng)
            job.due_at = accepted + policy.delay(job, accepted)
            waiting.append(job)
            next_submit, next_work = submit_at + SLOT, next(arrivals)
            continue
        job = min(waiting, key=lambda one: one.due_at)
        next_poll, answered = poll_at + SLOT, poll_at + 2 * THERE
        job.polls += 1
        if job.ends_at > poll_at + THERE:
            job.seen_running = answered - job.sent_at
            job.due_at = answered + policy.delay(job, answered)
            continue
        waiting.remove(job)
        policy.ended(job, answered)
        ended += 1
        if ended > jobs // 10:
            counted_from = counted_from or answered
            seen.polls.append(job.polls)
            seen.lags.append(answered - job.ends_at)
            seen.open_jobs.append(len(waiting))
            seen.seconds = answered - counted_from
    return seen


def new_job(arrived_at: float, accepted_at: float, length: float, rng: random.Random) -> Job:
    starts_at, ends_at = arrived_at + length * rng.uniform(0, IDLE_SHARE), arrived_at + length
    return Job(accepted_at, ends_at, [*(rng.uniform(starts_at, ends_at) for _ in range(BATCH - 1)), ends_at])


def _arrivals(load: float, rng: random.Random) -> Iterator[float]:
    """When there is work for another batch: always, or at random at this share of the slots."""
    at = 0.0
    while True:
        at = at + rng.expovariate(load / SLOT) if load < 1 else 0.0
        yield at


def fewest_polls(typical: float, lag: float, late: float) -> float:
    """Polls per job of the best schedule of looks that leaves a share `late` of the jobs unseen for longer than `lag`, where
    there is no progress: it knows the distribution, and the poll slot is always free. A bound, therefore.
    """
    price, dearer = 0.0, 64.0  # of a job that is seen late, in polls
    for _ in range(12):
        middle = (price + dearer) / 2
        price, dearer = (price, middle) if _best_schedule(typical, lag, middle)[1] <= late else (middle, dearer)
    return _best_schedule(typical, lag, dearer)[0]


def _best_schedule(typical: float, lag: float, price: float, step: float = 0.2) -> tuple[float, float]:
    """(polls per job, share of the jobs that are seen late) where both together cost least; from the last look backwards."""
    ended = [0.5 + 0.5 * math.erf(math.log(max(1e-9, n * step / typical)) / (0.5 * math.sqrt(2))) for n in range(301)]
    best = [(0.0, 0.0)] * len(ended)  # after a look at this time
    for here in range(len(ended) - 2, -1, -1):
        options = []
        for there in range(here + 1, len(ended)):
            missed = max(0.0, ended[max(0, there - round(lag / step))] - ended[here])
            polls, late = best[there]
            options.append((polls + 1 - ended[here], late + missed))
        best[here] = min(options, key=lambda one: one[0] + price * one[1])
    return best[0]


POLICIES: dict[str, Callable[[], Learned | Fixed]] = {
    "learned": Learned,
    "learned, without progress": lambda: Learned(has_progress=False),
    "foresight after the first look": Foresight,
    "peer, every 2 s": lambda: Fixed(lambda _polls: 2.0),
    "peer, exponential": lambda: Fixed(lambda polls: min(30.0, 2.0**polls)),
}


def main() -> None:
    given = arguments(__doc__ or "", jobs=20_000)
    jobs = 2_000 if given.quick else given.jobs
    report = Report("polling", "Polls per job and detection lag, in virtual time", quick=given.quick)
    for load in (1.0, 0.3):
        for typical in (2.0, 8.0):
            for name, policy in POLICIES.items():
                seen = simulate(policy(), load=load, typical=typical, jobs=jobs)
                where = f"{load:.0%} load, median {typical:g} s, {name}"
                targets = {1.0: ("≤ 1.15", ""), 0.3: ("≤ 1.9", "≤ 3")}[load] if name == "learned" else ("", "")
                report.add(f"{where}: polls per job", sum(seen.polls) / len(seen.polls), "", targets[0])
                report.add(f"{where}: detection lag p50", median(seen.lags), "s")
                report.add(f"{where}: detection lag p95", quantile(seen.lags, 0.95), "s", targets[1])
                report.add(f"{where}: jobs ended per second", seen.jobs_per_second)
                report.add(f"{where}: open jobs, median", median(seen.open_jobs))
    polls = fewest_polls(8.0, lag=3.0, late=0.05)
    report.add("30% load, median 8 s, bound without progress: polls per job for a p95 of 3 s", polls)
    report.write()


if __name__ == "__main__":
    main()
