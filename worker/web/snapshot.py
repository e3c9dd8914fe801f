"""The content of the page, in sections that are sent when they change. Reads only; one look serves all browsers."""

from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import chain
from typing import Any, Final

from config.lanes import lane_addresses
from feishu_batch.change_set import SetCounts
from feishu_batch.results import IntentState
from worker.ledger.lane import Lane
from worker.ledger.reads.activity import Activity, IntentRow, OpenBatch
from worker.ledger.reads.lane_health import LaneHealth, read_lane_health
from worker.ledger.routes import BATCH
from worker.ledger.stall import stalled_after
from worker.operating.change_sets import failures_of, newest_sets, skipped_in
from worker.operating.errors import WrongUseError
from worker.operating.recent_failures import INTENTS as FAILED_INTENTS
from worker.operating.recent_failures import RecentFailures
from worker.operating.retry.decision import NOT_RETRIED
from worker.operating.route_gain import MOST_RATE, SETTING, gain
from worker.operating.session import Session
from worker.operating.views import InboxView, LaneView, Use, inbox_view, lane_view, what_is_left
from worker.reading.held_now import is_changed_since
from worker.web.orders import PAUSED_HERE
from worker.web.places import Place, Places
from worker.web.shapes import ago, batch_row, cut, intent_row, job_row, rounded, set_row

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
FIELDS: Final = 3  # that are named where requests are nearly empty
WAITING: Final = 200  # groups that are looked at for them


class Snapshots:
    def __init__(self, session: Session, *, read_only: bool) -> None:
        settings = session.settings
        self._session = session
        self._lanes = session.chosen_lanes(None)
        self._current = Activity(session.redis, settings.key_prefix, tuple(session.lanes))
        self._failures = RecentFailures(session.reads)
        self._places = Places(session)
        self._of_failed: dict[tuple[str, int], Section] = {}  # (change set, failures) → see `_set`
        self._about = {
            "slot": settings.slot_seconds,
            "batch_items": BATCH.items,
            "max_open_jobs": settings.max_open_jobs,
            "read_only": read_only,
            "upload": settings.dashboard_upload_bytes if settings.dashboard_upload and not read_only else 0,
            "several_lanes": len(self._lanes) > 1,
            "sites": lane_addresses(settings),
        }
        self.begin()

    def begin(self) -> None:
        """Called before the first look after a pause: the slot use is measured from now on."""
        self._of_failed.clear()
        self._use = {one.name: Use(self._session.settings.slot_seconds) for one in self._lanes}

    def look(self) -> dict[str, Section]:
        inbox = inbox_view(self._session.reads)
        counts = self._session.request_counts
        views = [lane_view(self._session.reads, one, counts(one.name)) for one in self._lanes]
        batches = {one.name: self._current.open_batches(one.name, JOBS) for one in self._lanes}
        intents, not_ended = self._intents(batches), self._current.not_ended()
        groups = {(name, batch.group) for name, found in batches.items() for batch in found}
        groups |= {(row.view.lane or "", row.group) for row in intents if row.group}
        groups |= {(view.lane, str(batch.get("group"))) for view in views for batch in view.recent[:BATCHES]}
        what = self._what(groups)
        now = views[0].figures.now
        return {
            "now": round(now, 1),
            "about": self._about,
            "inbox": {"intents": inbox.intents, "oldest_at": ago(now, inbox.oldest_wait)},
            "lanes": [
                self._lane(view, inbox, read_lane_health(self._session.redis, one.keys))
                for view, one in zip(views, self._lanes, strict=True)
            ],
            "sets": [self._set(one) for one in newest_sets(self._session, SETS)],
            "jobs": [
                job_row(name, one, what.get((name, one.group))) for name, found in batches.items() for one in found
            ],
            "recent": {
                view.lane: [
                    batch_row(one, what.get((view.lane, str(one.get("group"))))) for one in view.recent[:BATCHES]
                ]
                for view in views
            },
            "intents": {
                "rows": [intent_row(row, what.get((row.view.lane or "", row.group or ""))) for row in intents],
                "not_ended": not_ended,
            },
            "failures": self._failed(self._lanes, now),
        }

    def _set(self, found: SetCounts) -> Section:
        """`skipped`: of the failed, what was changed since; `only_changed`: nothing else of it failed that `retry` could take."""
        row = set_row(found)
        if not (found.is_over and found.progress.failed):
            return row
        key = found.change_set, found.progress.failed
        if key not in self._of_failed:  # it has ended, so this is read once
            with suppress(WrongUseError):  # forgotten meanwhile
                only = all(is_changed_since(one) for one in failures_of(self._session, key[0]))
                skipped = skipped_in(self._session, [found])[found.change_set].count
                parts = {"skipped": skipped, "failed": found.progress.failed - skipped, "only_changed": only}
                self._of_failed[key] = parts if skipped or only else {}
        return {**row, **self._of_failed.get(key, {})}

    def _lane(self, view: LaneView, inbox: InboxView, seen: LaneHealth) -> Section:
        use = self._use[view.lane]
        use.note(view.figures.now, view.figures.slots_taken)
        counts, about = view.counts, self._session.settings
        idle = seen.send_state.idle_for(about.slot_seconds, about.max_open_jobs)
        return {
            "name": view.lane,
            "pause": _pause(view.pause) if view.pause else None,
            "poor": self._poor_fields(view.lane) if view.is_poor else None,
            "troubles": [
                {"what": one.what, "since": rounded(one.since), "error": cut(one.error)} for one, _ in seen.last_errors
            ],
            "stalled_since": (round(view.figures.now - idle) if idle >= stalled_after(about.slot_seconds) else None),
            "ready": view.ready_changes,
            "groups": view.groups,
            "waiting_since": rounded(view.figures.waiting_since),
            "requests_left": view.requests_left,
            "singles": _singles(view, about.slot_seconds),
            "today": sum(view.requests_today.values()),
            "daily": about.daily_requests,
            "today_by_kind": dict(view.requests_today),
            "left": what_is_left(view, inbox).value,
            "cells": counts.owned_cells,
            "open_jobs": counts.open_jobs,
            "checks": counts.checks,
            "due": counts.due_batches,
            "use": None if use.share is None else round(use.share, 2),
        }

    def _what(self, groups: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Place | None]:
        """By (lane, group)."""
        subjects = self._current.subjects(groups)
        return {place: self._places.place(subject) for place, subject in subjects.items()}

    def _poor_fields(self, lane: str) -> list[Place]:
        """The fields of most groups among those that wait longest."""
        waiting = self._session.reads.waiting_groups(lane, WAITING)
        found = [one for one in self._what((lane, group) for group in waiting).values() if one]
        counted = Counter(tuple(one.items()) for one in found)
        return [dict(items) for items, _ in counted.most_common(FIELDS)]

    def _intents(self, batches: dict[str, list[OpenBatch]]) -> list[IntentRow]:
        """Intents in a request, then the newest waiting ones, then the ones that ended last."""
        in_flight = [(lane, number) for lane, found in batches.items() for one in found for number in one.intents]
        ended = chain.from_iterable(self._current.ended_last(one.name, ENDED) for one in self._lanes)
        rows = self._current.intents([*in_flight[: 4 * INTENTS], *self._current.newest(NEWEST), *ended])
        return sorted(rows, key=_interest)[:INTENTS]

    def _failed(self, lanes: Sequence[Lane], now: float) -> Section:
        seen = {one.name: self._failures.look(one.name, now) for one in lanes}
        groups = [(name, group) for name, one in seen.items() for group in one.groups[:REASONS]]
        what = self._places.of_intents([intent for _, group in groups for _, intent in group.items])
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
                    "reason": cut(group.reason),
                    "count": group.count,
                    "can_be_retried": bool(group.code) and group.code not in NOT_RETRIED,
                    "items": [{"item": item, "intent": intent, "what": what[intent]} for item, intent in group.items],
                }
                for name, group in sorted(groups, key=lambda one: -one[1].count)
            ],
            "more": sum(max(0, len(one.groups) - REASONS) for one in seen.values()),
        }


def _singles(view: LaneView, slot: float) -> Section:
    """The single route: what waits for it, until when it is off, and what it would give where it is not used."""
    state, both = view.singles, gain(view, slot)
    would = (
        {
            "seconds": round(both.seconds(slot, MOST_RATE)),
            "requests": both.requests,
            "setting": SETTING,
            "rate": MOST_RATE,
        }
        if both
        else None
    )
    return {
        "rate": state.rate,
        "changes": view.singles_left,
        "off_until": round(view.figures.now + state.off_for) if state.off_for and state.rate else None,
        "why": cut(state.why),
        "gain": would,
    }


def _pause(pause: dict[str, Any]) -> dict[str, Any]:
    """Without a reason if the operator gave none on the page, which has its own words for that."""
    reason = pause["reason"]
    return {**pause, "reason": None if reason == PAUSED_HERE else cut(reason, LONGEST_PAUSE)}


def _interest(row: IntentRow) -> tuple[int, float, int]:
    """In flight first, then waiting, the oldest of both first; then ended, the newest first."""
    if row.view.progress.in_flight:
        return 0, row.view.number, 0
    if row.view.state is IntentState.OPEN:
        return 1, row.view.number, 0
    return 2, -(row.ended_at or 0.0), -row.view.number
