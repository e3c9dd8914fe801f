"""Messages about intents that were enqueued before, and are therefore not sent now."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console

from worker.cli.local_times import moment
from worker.cli.output import table
from worker.importing.enqueue_rows import SortedRows
from worker.operating.change_words import ChangeWords
from worker.operating.duplicates import DuplicateCheck, DuplicateReport, KnownIntent, LaterIntent
from worker.operating.known_cells import KnownCells
from worker.operating.retry.sources import history_of, meaning_of
from worker.operating.session import Session
from worker.wording import first_few, iso, some


@contextmanager
def duplicate_check(session: Session) -> Iterator[DuplicateCheck]:
    with KnownCells() as cells:
        yield DuplicateCheck(session.reads, history_of(session), meaning_of(session), cells)


def known_rows(put: SortedRows) -> list[KnownIntent]:
    """The rows that an earlier run enqueued."""
    return [KnownIntent(row.line, row.intent.intent_id, row.intent.work_item_ids) for row in put.known]


def when(session: Session, found: DuplicateReport) -> str:
    if found.first_at is None or found.last_at is None:
        return ""
    first, last = moment(session.settings, found.first_at), moment(session.settings, found.last_at)
    return f", on {first}" if first == last else f", between {first} and {last}"


def print_duplicates(out: Console, session: Session, found: DuplicateReport, noun: str = "row") -> None:
    """Which of their changes are no longer in effect, and why."""
    if found.not_applied:
        parts = (("failed", found.failed), ("were canceled", found.canceled), ("expired", found.expired))
        counts = ", ".join(f"{count} {what}" for what, count in parts if count)
        again = "is" if found.not_applied == 1 else "are"
        out.print(f"Of their changes, {counts}, and {again} not sent again.", soft_wrap=True)
    if found.changed:
        cells = "1 cell holds" if found.changed == 1 else f"{found.changed} cells hold"
        out.print(f"Later intents changed the same fields: {cells} another value now, or will:", soft_wrap=True)
        words = ChangeWords(session)
        rows = [_row(session, words, one, noun) for one in found.by]
        out.print(
            table((f"{noun}s" if noun == "line" else "items", "field", "value now", "enqueued", "intent", "note"), rows)
        )
        if found.by_count > len(found.by):
            out.print(f"… and {some(found.by_count - len(found.by), 'more intent')}")
    if found.not_known:
        out.print(
            f"Of {some(found.not_known, 'later intent')} it is not known whether they changed the same cells:"
            " their records have expired, there are too many, or their field has a name that cannot be looked up here.",
            soft_wrap=True,
        )


def _row(session: Session, words: ChangeWords, one: LaterIntent, noun: str) -> Sequence[object]:
    at = moment(session.settings, one.enqueued_at) if one.enqueued_at else "in the inbox"
    what = first_few(one.lines if noun == "line" else one.items)
    more = f" … and {one.cells - len(one.items)} more" if one.cells > len(one.items) else ""
    return (
        f"{what}{more}",
        words.field(one.spec),
        words.written(one.spec, 40),
        at,
        one.intent_id,
        one.note or "",
    )


def document(found: DuplicateReport) -> dict[str, Any]:
    """`before` in `import --json` and `plan --json`, as documented."""
    return {
        "intents": found.intents,
        "first_at": iso(found.first_at),
        "last_at": iso(found.last_at),
        "not_applied": {"failed": found.failed, "canceled": found.canceled, "expired": found.expired},
        "changed_since": found.changed,
        "changed_by": [_later_json(one) for one in found.by],
        "changed_by_count": found.by_count,
        "not_known": found.not_known,
        "in_effect": found.in_effect,
    }


def _later_json(one: LaterIntent) -> dict[str, Any]:
    return {
        "intent_id": one.intent_id,
        "note": one.note,
        "enqueued_at": iso(one.enqueued_at),
        "field_key": one.spec.field_key,
        "update_mode": one.spec.update_mode,
        "value": one.spec.after_field_value,
        "cells": one.cells,
        "items": one.items,
        "lines": one.lines,
    }
