"""A lane and what producers and senders do to it, in few words."""

import json

from worker.ledger.record_calls import NewIntent
from worker.ledger.records import SUCCEEDED, BatchState

LONG = 10**6  # seconds


def new_intent(number, items=(1,), value="v", *, field="f", mode="UPDATE", priority=5, keep=False, expires_at_ms=None):
    spec = {
        "project_key": "p",
        "work_item_type_key": "story",
        "user_key": None,
        "field_key": field,
        "update_mode": mode,
        "before_field_value": None,
        "after_field_value": value,
    }
    return NewIntent(
        number=number,
        intent_id=f"intent-{number}",
        digest=f"{field}{mode}{value}",
        spec=json.dumps(spec),
        column=f"p {field}",
        mode=mode,
        priority=priority,
        enqueued_at_ms=1,
        expires_at_ms=expires_at_ms,
        keep_every_change=keep,
        note=None,
        items=tuple(items),
    )


def claim(lane, owner="A", lease=LONG, max_open=100, max_wait=LONG, uuid="uuid", token="token", slot=1.0):
    return lane.claim(
        owner=owner,
        lease=lease,
        max_open=max_open,
        max_wait=max_wait,
        idem_uuid=uuid,
        token_fingerprint=token,
        slot=slot,
    )


def accept(lane, batch, delay=0.0):
    return lane.advance(batch, state=BatchState.SENDING, settled={}, then=BatchState.OPEN, delay=delay, left=True)


def settle(lane, batch, state=BatchState.SENDING, outcome=SUCCEEDED, items=None):
    chosen = batch.items if items is None else items
    settled = dict.fromkeys(chosen, outcome)
    return lane.advance(
        batch, state=state, settled=batch.by_cell(settled), then=BatchState.RESEND, left=state == BatchState.SENDING
    )


def claim_and_accept(lane, **options):
    batch = claim(lane, **options)
    accept(lane, batch)
    return batch


def claim_and_settle(lane, **options):
    batch = claim(lane, **options)
    settle(lane, batch)
    return batch


def changes(batch):
    return list(zip(batch.items, batch.intents, strict=True))
