"""What a command says of intents that were enqueued before, so that nothing of them was sent now."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console

from worker.cli.moments import moment
from worker.cli.output import as_json, first_few, iso, some, table
from worker.cli.session import Session
from worker.importing.put import Put
from worker.operating.known_cells import KnownCells
from worker.operating.since_then import Known, LaterIntent, LookBack, SinceThen
from worker.operating.steering import history_of, meaning_of


@contextmanager
def looking_back(session: Session) -> Iterator[LookBack]:
    with KnownCells() as cells:
        yield LookBack(session.reading, history_of(session), meaning_of(session), cells)


def known_rows(put: Put) -> list[Known]:
    """Those that an earlier run enqueued."""
    return [Known(row.line, row.intent.intent_id, row.intent.work_item_ids) for row in put.known]


def when(session: Session, found: SinceThen) -> str:
    if found.first_at is None or found.last_at is None:
        return ""
    first, last = moment(session.settings, found.first_at), moment(session.settings, found.last_at)
    return f", on {first}" if first == last else f", between {first} and {last}"


def print_since_then(out: Console, session: Session, found: SinceThen, noun: str = "row") -> None:
    """Which of what they wrote does not stand any more, and why."""
    if found.not_applied:
        parts = (("failed", found.failed), ("were canceled", found.canceled), ("expired", found.expired))
        told = ", ".join(f"{count} {what}" for what, count in parts if count)
        out.print(
            f"Of their items {told}, and {'is' if found.not_applied == 1 else 'are'} not sent again.", soft_wrap=True
        )
    if found.changed:
        cells = "1 cell holds" if found.changed == 1 else f"{found.changed} cells hold"
        out.print(f"Since then {cells} another value, or will, by later intents:", soft_wrap=True)
        rows = [_row(session, one, noun) for one in found.by]
        out.print(
            table((f"{noun}s" if noun == "line" else "items", "field", "value now", "enqueued", "intent", "note"), rows)
        )
        if found.by_count > len(found.by):
            out.print(f"… and {some(found.by_count - len(found.by), 'more intent')}")
    if found.not_known:
        out.print(
            f"Of {some(found.not_known, 'later intent')} it is not known whether they changed the same cells:"
            " they were forgotten, are too many, or call a field by a name that cannot be looked up here.",
            soft_wrap=True,
        )


def _row(session: Session, one: LaterIntent, noun: str) -> Sequence[object]:
    at = moment(session.settings, one.enqueued_at) if one.enqueued_at else "in the inbox"
    what = first_few(one.lines if noun == "line" else one.items)
    more = f" … and {one.cells - len(one.items)} more" if one.cells > len(one.items) else ""
    mode = "" if one.spec.update_mode == "UPDATE" else f"{one.spec.update_mode} "
    return (
        f"{what}{more}",
        one.spec.field_key,
        f"{mode}{as_json(one.spec.after_field_value, 40)}",
        at,
        one.intent_id,
        one.note or "",
    )


def document(found: SinceThen) -> dict[str, Any]:
    """The documented shape of `before` in `import --json` and `plan --json`."""
    return {
        "intents": found.intents,
        "first_at": iso(found.first_at),
        "last_at": iso(found.last_at),
        "not_applied": {"failed": found.failed, "canceled": found.canceled, "expired": found.expired},
        "changed_since": found.changed,
        "changed_by": [_later_json(one) for one in found.by],
        "changed_by_count": found.by_count,
        "not_known": found.not_known,
        "stands": found.stands,
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
