"""The content of the page, in sections that are sent when they change. Reads only; one look serves all browsers."""

from collections.abc import Sequence
from dataclasses import asdict
from itertools import chain
from typing import Any, Final

from feishu_batch.change_set import SetCounts
from feishu_batch.results import IntentState
from worker.ledger.lane import Lane
from worker.ledger.reads.activity import Activity, IntentRow, OpenBatch, Subject
from worker.ledger.reads.lane_health import LaneHealth, read_lane_health
from worker.ledger.routes import BATCH
from worker.ledger.stall import stalled_after
from worker.operating.change_sets import newest_sets
from worker.operating.explaining import advice_on
from worker.operating.recent_failures import INTENTS as FAILED_INTENTS
from worker.operating.recent_failures import RecentFailures
from worker.operating.retry.decision import VALUE_NOT_KEPT
from worker.operating.session import Session
from worker.operating.views import InboxView, LaneView, Use, inbox_view, lane_view, what_is_left

Section = Any  # JSON

# The lists are limited, so that the page of a busy lane stays small. The counts beside them are complete.
SETS: Final = 8
JOBS: Final = 12  # of each kind and lane
BATCHES: Final = 40  # the last settled ones of each lane
INTENTS: Final = 40
NEWEST: Final = 60  # intent numbers that are read
ENDED: Final = 15  # of each kind and lane, as above
REASONS: Final = 8  # of each lane
LONGEST_PAUSE: Final = 800  # characters; the advice is at the end
LONGEST_TEXT: Final = 300  # characters of a text from the remote system or a producer


class Snapshots:
    def __init__(self, session: Session, *, read_only: bool) -> None:
        settings = session.settings
        self._session = session
        self._lanes = session.chosen_lanes(None)
        self._current = Activity(session.redis, settings.key_prefix, tuple(session.lanes))
        self._failures = RecentFailures(session.reads)
        self._about = {
            "slot": settings.slot_seconds,
            "batch_items": BATCH.items,
            "max_open_jobs": settings.max_open_jobs,
            "read_only": read_only,
            "several_lanes": len(self._lanes) > 1,
        }
        self.begin()

    def begin(self) -> None:
        """Called before the first look after a pause: the slot use is measured from now on."""
        self._use = {one.name: Use(self._session.settings.slot_seconds) for one in self._lanes}

    def look(self) -> dict[str, Section]:
        inbox = inbox_view(self._session.reads)
        views = [lane_view(self._session.reads, one) for one in self._lanes]
        batches = {one.name: self._current.open_batches(one.name, JOBS) for one in self._lanes}
        intents, not_ended = self._intents(batches), self._current.not_ended()
        groups = {(name, batch.group) for name, found in batches.items() for batch in found}
        groups |= {(row.view.lane or "", row.group) for row in intents if row.group}
        groups |= {(view.lane, str(batch.get("group"))) for view in views for batch in view.recent[:BATCHES]}
        subjects = self._current.subjects(groups)
        now = views[0].figures.now
        return {
            "now": round(now, 1),
            "about": self._about,
            "inbox": {"intents": inbox.intents, "oldest_at": _ago(now, inbox.oldest_wait)},
            "lanes": [
                self._lane(view, inbox, read_lane_health(self._session.redis, one.keys))
                for view, one in zip(views, self._lanes, strict=True)
            ],
            "sets": [_set(one) for one in newest_sets(self._session, SETS)],
            "jobs": [_job(name, one, subjects) for name, found in batches.items() for one in found],
            "recent": {view.lane: [_settled(view.lane, b, subjects) for b in view.recent[:BATCHES]] for view in views},
            "intents": {"rows": [_intent(row, subjects) for row in intents], "not_ended": not_ended},
            "failures": self._failed(self._lanes, now),
        }

    def _lane(self, view: LaneView, inbox: InboxView, seen: LaneHealth) -> Section:
        use = self._use[view.lane]
        use.note(view.figures.now, view.figures.slots_taken)
        counts, about = view.counts, self._session.settings
        idle = seen.send_state.idle_for(about.slot_seconds, about.max_open_jobs)
        return {
            "name": view.lane,
            "pause": {**view.pause, "reason": _cut(view.pause["reason"], LONGEST_PAUSE)} if view.pause else None,
            "troubles": [
                {"what": one.what, "since": _rounded(one.since), "error": _cut(one.error)}
                for one, _ in seen.last_errors
            ],
            "stalled_since": (round(view.figures.now - idle) if idle >= stalled_after(about.slot_seconds) else None),
            "ready": view.ready_changes,
            "groups": view.figures.ready_groups,
            "waiting_since": _rounded(view.figures.waiting_since),
            "requests_left": view.requests_left,
            "left": what_is_left(view, inbox).value,
            "cells": counts.owned_cells,
            "open_jobs": counts.open_jobs,
            "checks": counts.checks,
            "due": counts.due_batches,
            "use": None if use.share is None else round(use.share, 2),
        }

    def _intents(self, batches: dict[str, list[OpenBatch]]) -> list[IntentRow]:
        """Intents in a request, then the newest waiting ones, then the ones that ended last."""
        in_flight = [(lane, number) for lane, found in batches.items() for one in found for number in one.intents]
        ended = chain.from_iterable(self._current.ended_last(one.name, ENDED) for one in self._lanes)
        rows = self._current.intents([*in_flight[: 4 * INTENTS], *self._current.newest(NEWEST), *ended])
        return sorted(rows, key=_interest)[:INTENTS]

    def _failed(self, lanes: Sequence[Lane], now: float) -> Section:
        seen = {one.name: self._failures.look(one.name, now) for one in lanes}
        groups = [(name, group) for name, one in seen.items() for group in one.groups[:REASONS]]
        return {
            "since": min(one.since for one in seen.values()),
            "is_cut": any(one.is_cut for one in seen.values()),
            "most": FAILED_INTENTS,
            "is_counting": any(one.is_counting for one in seen.values()),
            "total": sum(one.count for one in seen.values()),
            "groups": [
                {
                    "lane": name,
                    "code": group.code,
                    "reason": _cut(group.reason),
                    "advice": advice_on(group.code),
                    "count": group.count,
                    "can_be_retried": bool(group.code) and group.code not in VALUE_NOT_KEPT,
                    "items": [{"item": item, "intent": intent} for item, intent in group.items],
                }
                for name, group in sorted(groups, key=lambda one: -one[1].count)
            ],
            "more": sum(max(0, len(one.groups) - REASONS) for one in seen.values()),
        }


def _interest(row: IntentRow) -> tuple[int, float, int]:
    """In flight first, then waiting, the oldest of both first; then ended, the newest first."""
    if row.view.progress.in_flight:
        return 0, row.view.number, 0
    if row.view.state is IntentState.OPEN:
        return 1, row.view.number, 0
    return 2, -(row.ended_at or 0.0), -row.view.number


def _intent(row: IntentRow, subjects: dict[tuple[str, str], Subject]) -> Section:
    progress = {name: count for name, count in asdict(row.view.progress).items() if count}
    return {
        "id": row.view.intent_id,
        "lane": row.view.lane,
        "state": row.view.state.value,
        "note": _cut(row.note),
        "what": _subject(subjects.get((row.view.lane or "", row.group or ""))),
        "enqueued_at": _rounded(row.enqueued_at),
        "ended_at": _rounded(row.ended_at),
        "is_retried": row.is_retried,
        **progress,
    }


def _set(found: SetCounts) -> dict[str, Any]:
    """Counts of nothing are left out: a row is sent whenever one of them changes."""
    counts = {name: count for name, count in asdict(found.progress).items() if count}
    return {
        "id": found.change_set,
        "state": found.state.value,
        "note": _cut(found.note),
        "producer": found.producer,
        "intents": found.intents,
        "ended": found.ended,
        "grew_at": round(found.grew_at),
        **counts,
    }


def _job(lane: str, one: OpenBatch, subjects: dict[tuple[str, str], Subject]) -> Section:
    return {
        "lane": lane,
        "batch": one.number,
        "state": one.state,
        "items": one.items,
        "size": one.size,
        "claimed_at": _rounded(one.claimed_at),
        "next_at": _rounded(one.next_at),
        "tries": one.tries,
        "polls": one.polls,
        "job": one.job,
        "why": _cut(one.why),
        "what": _subject(subjects.get((lane, one.group))),
    }


def _settled(lane: str, batch: dict[str, Any], subjects: dict[tuple[str, str], Subject]) -> Section:
    return {
        "batch": batch["batch"],
        "size": batch["size"],
        "failed": batch["failed"],
        "took": round(batch["settled_at"] - batch["claimed_at"], 1),
        "at": _rounded(batch["settled_at"]),
        "tries": batch["tries"],
        "what": _subject(subjects.get((lane, str(batch.get("group"))))),
    }


def _subject(subject: Subject | None) -> str:
    return f"{subject.field_key} · {subject.work_item_type_key}" if subject else ""


def _ago(now: float, seconds: float | None) -> float | None:
    return None if seconds is None else round(now - seconds, 1)


def _rounded(moment: float | None) -> float | None:
    return None if moment is None else round(moment, 1)


def _cut(text: str | None, longest: int = LONGEST_TEXT) -> str | None:
    return text if text is None or len(text) <= longest else text[: longest - 1] + "…"
