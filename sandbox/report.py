"""The requests that the sandbox received, and the broken rules among them."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from sandbox.core import Sandbox, SingleUpdate
from sandbox.jobs import Job
from sandbox.overlaps import OverlappingWrites, of_job, of_single, overlapping


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
                "limit": sandbox.limiter.rate_of(endpoint).limit,
                "window": sandbox.limiter.rate_of(endpoint).kind,
                "requests": len(log.accepted) + len(log.rejected),
                "arrivals": sorted(log.accepted + log.rejected),
                "accepted": log.accepted,
                "rejected": log.rejected,
                "minimal_gap": log.minimal_gap(),
            }
            for (endpoint, plugin), log in sandbox.limiter.logs.items()
        ],
        "batches": [_batch_json(job, now, with_items=with_items) for job in sandbox.jobs.jobs.values()],
        "single_updates": _singles_json(sandbox, with_items=with_items),
        "answers": dict(sandbox.answers),
        "faults": dict(sandbox.faults.fired),
    }


def violations(sandbox: Sandbox) -> dict[str, Any]:
    """Broken rules.

    `overlaps`: two jobs or single updates that were open at the same time, shared a cell and wrote differently. `repeats`: the same,
    but both made the same change (one was sent again after an unknown outcome); they are listed, not counted.
    """
    writes = [*map(of_job, sandbox.jobs.jobs.values()), *map(of_single, sandbox.singles)]
    pairs = [_pair_json(pair) for pair in overlapping(writes)]
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


def _pair_json(pair: OverlappingWrites) -> dict[str, Any]:
    return {
        "first": pair.earlier.name,
        "second": pair.later.name,
        "orders": [pair.earlier.order, pair.later.order],
        "cell": pair.cell._asdict(),
        "is_repeat": pair.is_repeat,
    }


def _singles_json(sandbox: Sandbox, *, with_items: bool) -> dict[str, Any]:
    """`fields`: how many accepted requests carried so many fields."""
    updates = [_single_json(one) for one in sandbox.singles] if with_items else []
    return {
        "rules": sandbox.single_rules.as_json(),
        "accepted": len(sandbox.singles),
        "fields": dict(sorted(Counter(one.n_fields for one in sandbox.singles).items())),
        "lost_values": [{**asdict(one), "cell": one.cell._asdict()} for one in sandbox.lost_values],
        **({"updates": updates} if with_items else {}),
    }


def _single_json(update: SingleUpdate) -> dict[str, Any]:
    return {
        "order": update.order,
        "project_key": update.project_key,
        "type_key": update.type_key,
        "item_id": update.item_id,
        "fields": list(update.values),
        "n_fields": update.n_fields,
        "arrived_at": update.arrived_at,
        "done_at": update.done_at,
        "user_key": update.user_key,
        "idem": update.idem,
    }


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


def _gap(at: float, accepted: Iterable[float]) -> float | None:
    """The distance to the nearest accepted arrival; None if there is none."""
    return min((abs(at - other) for other in accepted), default=None)
