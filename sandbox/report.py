"""The requests that the sandbox received, and the broken rules among them."""

from collections.abc import Iterable, Iterator
from typing import Any

from sandbox.cells import CellKey
from sandbox.core import Sandbox
from sandbox.jobs import Job


def report(sandbox: Sandbox, now: float, *, with_items: bool = False) -> dict[str, Any]:
    """Times are seconds of one monotonic clock; `now` is its present reading.

    Items are omitted by default: while a long report is written, requests wait, and seem to arrive later than they do.
    """
    return {
        "now": now,
        "window": sandbox.settings.window,
        "endpoints": [
            {
                "endpoint": endpoint,
                "plugin": plugin,
                "limit": log.limit,
                "arrivals": sorted(log.accepted + log.rejected),
                "accepted": log.accepted,
                "rejected": log.rejected,
                "minimal_gap": log.minimal_gap(),
            }
            for (endpoint, plugin), log in sandbox.limiter.logs.items()
        ],
        "batches": [_batch_json(job, now, with_items=with_items) for job in sandbox.jobs.jobs.values()],
        "answers": dict(sandbox.answers),
        "faults": dict(sandbox.faults.fired),
    }


def violations(sandbox: Sandbox) -> dict[str, Any]:
    """Broken rules.

    `overlaps`: two jobs that were open at the same time, shared a cell and wrote differently. `repeats`: the same, but both
    made the same change (a batch that was sent again after an unknown outcome); they are listed, not counted.
    """
    pairs = [_pair_json(*pair) for pair in overlapping(sandbox.jobs.jobs.values())]
    overlaps = [pair for pair in pairs if not pair["is_repeat"]]
    too_fast = [
        {"endpoint": endpoint, "plugin": plugin, "at": at, "gap": _gap(at, log.accepted)}
        for (endpoint, plugin), log in sandbox.limiter.logs.items()
        for at in log.rejected
    ]
    too_many = [{"arrived_at": batch.arrived_at, "n_items": batch.n_items} for batch in sandbox.oversize]
    return {
        "total": len(overlaps) + len(too_fast) + len(too_many),
        "overlaps": overlaps,
        "too_fast": too_fast,
        "too_many_items": too_many,
        "repeats": [pair for pair in pairs if pair["is_repeat"]],
    }


def overlapping(jobs: Iterable[Job]) -> Iterator[tuple[Job, Job, CellKey]]:
    """Pairs of jobs, earlier first, of which the later arrived while the earlier could still change one of its cells."""
    open_on: dict[CellKey, list[tuple[float, Job]]] = {}  # with the end of the job
    found: set[tuple[int, int]] = set()
    for job in sorted(jobs, key=lambda job: job.arrived_at):
        ends_at = job.last_landing_at
        for _, item in job.landings:
            cell = CellKey(job.update.project_key, item, job.update.field_key)
            still_open = [(end, earlier) for end, earlier in open_on.get(cell, ()) if end > job.arrived_at]
            for _, earlier in still_open:
                if (earlier.order, job.order) not in found:
                    found.add((earlier.order, job.order))
                    yield earlier, job, cell
            open_on[cell] = [*still_open, (ends_at, job)]


def _pair_json(earlier: Job, later: Job, cell: CellKey) -> dict[str, Any]:
    return {
        "first": earlier.task_id,
        "second": later.task_id,
        "orders": [earlier.order, later.order],
        "cell": cell._asdict(),
        "is_repeat": _what(earlier) == _what(later),
    }


def _what(job: Job) -> tuple[str, Any, Any]:
    return job.update.mode, job.update.before, job.update.after


def _batch_json(job: Job, now: float, *, with_items: bool) -> dict[str, Any]:
    is_finished = not (job.flaws.is_void or job.flaws.is_endless) and now >= job.course.ends_at
    flaws = [name for name in ("is_lost", "is_void", "is_endless") if getattr(job.flaws, name)]
    return {
        "task_id": job.task_id,
        "order": job.order,
        "project_key": job.update.project_key,
        "type_key": job.update.type_key,
        "field_key": job.update.field_key,
        "mode": job.update.mode,
        "n_items": len(job.update.item_ids),
        **({"item_ids": list(job.update.item_ids)} if with_items else {}),
        "arrived_at": job.arrived_at,
        "finished_at": job.course.ends_at if is_finished else None,
        "plugin": job.plugin,
        "user_key": job.user_key,
        "idem": job.idem,
        "flaws": [*flaws, *(["omits_item"] if job.flaws.omitted else [])],
    }


def _gap(at: float, accepted: Iterable[float]) -> float:
    """The distance to the nearest accepted arrival."""
    return min(abs(at - other) for other in accepted)
