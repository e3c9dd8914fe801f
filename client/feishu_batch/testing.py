"""A fake client for the tests of a backend app: the same checks, no Redis, no worker.

fake = FakeFeishuBatch(fields={"Priority": ["P0", "P1"], "Title": None})
raise_priority(fake, 1234)
assert fake.value(1234, "Priority") == "P0"
fake.complete(fake.intents[0].intent_id, failed={1234: "NoPermissionToModify"})

With pytest, the fixture `fake_feishu_batch` creates it, and `FeishuBatch.from_env()` returns the fake.
"""

import json
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from celery import Celery, Signature
from celery.result import EagerResult

from feishu_batch.change_set import FailedChange, SetCounts, SetReads
from feishu_batch.errors import ItemsFailed, UnknownIntent
from feishu_batch.fake_fields import Fields, refusal, values_of
from feishu_batch.intents import UpdateIntent
from feishu_batch.item_history import LABEL_OF, PastChange, change_in_inbox
from feishu_batch.keys import DEFAULT_LANE, DEFAULT_PREFIX, IntentKeys, RecordField
from feishu_batch.names import TASK_UPDATE_WORK_ITEMS
from feishu_batch.outcomes import OutcomeKind
from feishu_batch.packing import PackedIntent
from feishu_batch.producer import Producer, conflict
from feishu_batch.results import IntentView, Progress, queued_view, view_of_record


class FakeFeishuBatch(Producer):
    """`intents`: the enqueued intents, in order, each id once.

    `fields` defines the fields and the labels of their options (None: any value). An intent with another field or option fails
    with `unknown_field` or `unknown_option`, as in the workers. Without `fields`, every field and value is accepted.
    """

    def __init__(self, fields: Fields | None = None) -> None:
        self.fields = fields
        self.intents: list[UpdateIntent] = []
        self._outcomes: dict[str, dict[str, str]] = {}
        self._digests: dict[str, str] = {}
        self._views: dict[str, IntentView] = {}
        self._enqueued_at: dict[str, float] = {}
        self._awaited: dict[str, Signature] = {}

    def complete(
        self,
        intent_id: str,
        *,
        failed: Mapping[int, str | Mapping[str, Any]] | None = None,
        superseded: Collection[int] = (),
        canceled: Collection[int] = (),
        expired: Collection[int] = (),
    ) -> None:
        """End the intent. `failed`: item → reason, or {"code", "reason"}. All other items succeed."""
        outcomes = {str(item): OutcomeKind.FAILED + _reason(why) for item, why in (failed or {}).items()}
        outcomes |= dict.fromkeys(map(str, superseded), OutcomeKind.SUPERSEDED)
        outcomes |= dict.fromkeys(map(str, canceled), OutcomeKind.CANCELED)
        outcomes |= dict.fromkeys(map(str, expired), OutcomeKind.EXPIRED)
        intent = self._intent(intent_id)
        if unknown := outcomes.keys() - set(map(str, intent.work_item_ids)):
            raise ValueError(f"not items of intent {intent_id}: {', '.join(sorted(unknown))}")
        keys = IntentKeys(DEFAULT_PREFIX, intent.lane or DEFAULT_LANE, self._views[intent_id].number)
        record = _record(len(intent.work_item_ids), outcomes, self._enqueued_at[intent_id])
        self._views[intent_id] = view_of_record(intent_id, keys, record, outcomes)
        self._outcomes[intent_id] = outcomes
        if intent.change_set:
            self._tell_end(intent.change_set)

    def value(self, item: int, field: str) -> Any:
        """The item's value after all enqueued intents, except for items that failed or were canceled or superseded.

        An option is given by its label, a date as a date, a Decimal as one. None if nothing was enqueued or the field was cleared. `field`: as the app named it.
        """
        return self.items.get(item, {}).get(field)

    @property
    def items(self) -> dict[int, dict[str, Any]]:
        """Item → field → value, as from `value`."""
        return values_of(self.intents, self._is_applied)

    @contextmanager
    def celery_task(self, app: Celery) -> Iterator[None]:
        """Within the block, `signature(app=app, …)` runs at once (`task_always_eager`): alone, in chains, groups and chords.

        The task enqueues into this fake and completes its intent, unless it was refused: then it fails with `ItemsFailed`.
        """
        before = app.conf.task_always_eager

        @app.task(name=TASK_UPDATE_WORK_ITEMS, bind=True, shared=False)
        def update_work_items(task: Any, *_results_before: Any, **intent: Any) -> dict[str, Any]:
            return self._run({"intent_id": task.request.id, **intent})

        app.conf.task_always_eager = True
        try:
            yield
        finally:
            app.conf.task_always_eager = before
            app.tasks.pop(TASK_UPDATE_WORK_ITEMS, None)

    def _run(self, intent: Mapping[str, Any]) -> dict[str, Any]:
        [handle] = self.enqueue_many([intent])
        if not handle.state.is_final:
            self.complete(handle.intent_id)
        content: dict[str, Any] = handle.wait(timeout=0).to_dict()
        if content["state"] != "succeeded":
            raise ItemsFailed.of(content)
        return content

    def _is_applied(self, intent: UpdateIntent, item: int) -> bool:
        return str(item) not in self._outcomes.get(intent.intent_id, {})

    def close(self) -> None:
        """Nothing to close."""

    def _intent(self, intent_id: str) -> UpdateIntent:
        for intent in self.intents:
            if intent.intent_id == intent_id:
                return intent
        raise UnknownIntent(f"no intent {intent_id} was enqueued")

    def _put(self, intents: Sequence[PackedIntent]) -> list[bool | None]:
        for intent in intents:
            if self._digests.get(intent.intent_id, intent.digest) != intent.digest:
                raise conflict(intent.intent_id)
        known: list[bool | None] = []
        for intent in intents:
            known.append(intent.intent_id in self._digests)
            if not known[-1]:
                self._digests[intent.intent_id] = intent.digest
                self._append(UpdateIntent.parse(intent.json))
        return known

    def _append(self, intent: UpdateIntent) -> None:
        self.intents.append(intent)
        self._enqueued_at[intent.intent_id] = time.time()
        self._views[intent.intent_id] = queued_view(intent.intent_id, len(self.intents), len(intent.work_item_ids))
        refused = None if self.fields is None else refusal(self.fields, intent)
        if refused:
            code, reason = refused
            why = {"code": code, "reason": reason}
            self.complete(intent.intent_id, failed={item: why for item in intent.work_item_ids})  # noqa: C420 - shared, and not changed

    def _view(self, intent_id: str) -> IntentView | None:
        return self._views.get(intent_id)

    def _set_reads(self) -> SetReads:
        return SetReads(
            counts=self._set_counts,
            ids=lambda name, after: [*enumerate((one.intent_id for one in self._of_set(name)), 1)][after:],
            failures=lambda ids: [failed for one in ids for failed in self._failures(one)],
            revoke=self._cancel,
            await_end=self._await_end,
        )

    def _of_set(self, change_set: str) -> list[UpdateIntent]:
        return [one for one in self.intents if one.change_set == change_set]

    def _set_counts(self, change_set: str) -> SetCounts | None:
        intents = self._of_set(change_set)
        if not intents:
            return None
        views = [self._views[one.intent_id] for one in intents]
        enqueued = [self._enqueued_at[one.intent_id] for one in intents]
        return SetCounts(
            change_set=change_set,
            intents=len(intents),
            ended=sum(view.state.is_final for view in views),
            forgotten=0,
            progress=Progress.sum(view.progress for view in views),
            producer=intents[0].producer,
            note=next((one.note for one in intents if one.note is not None), None),
            since=enqueued[0],
            grew_at=enqueued[-1],
        )

    def _await_end(self, change_set: str, signature: Signature) -> bool:
        """The task runs here, as soon as the set has ended."""
        if not self._of_set(change_set):
            return False
        self._awaited[change_set] = signature
        self._tell_end(change_set)
        return True

    def _tell_end(self, change_set: str) -> None:
        counts = self._set_counts(change_set)
        if counts and counts.is_over and (signature := self._awaited.pop(change_set, None)):
            signature.apply(args=(counts.result().to_dict(),), throw=True)

    def _failures(self, intent_id: str) -> list[FailedChange]:
        result = self._views[intent_id].result
        field = self._intent(intent_id).field_key
        failed = result.failed.items() if result else ()
        return [FailedChange(int(item), field, why["code"], why["reason"], intent_id) for item, why in failed]

    def _cancel(self, intent_ids: Sequence[str]) -> None:
        for intent_id in intent_ids:
            if not self._views[intent_id].state.is_final:
                self.complete(intent_id, canceled=self._intent(intent_id).work_item_ids)

    def _history(self, item: int, field: str | None, limit: int) -> list[PastChange]:
        of_item = [one for one in self.intents if item in one.work_item_ids and field in (None, one.field_key)]
        return [self._past_change(one, item) for one in of_item[::-1][:limit]]

    def _past_change(self, intent: UpdateIntent, item: int) -> PastChange:
        view = self._views[intent.intent_id]
        waiting = change_in_inbox(intent, view.number)
        if view.result is None:
            return waiting
        outcome = self._outcomes[intent.intent_id].get(str(item), OutcomeKind.SUCCEEDED)
        why = view.result.failed.get(str(item), {})
        return replace(
            waiting,
            state=LABEL_OF[outcome[0]],
            code=why.get("code"),
            reason=why.get("reason"),
            enqueued_at=self._enqueued_at[intent.intent_id],
        )

    def _async_result(self, intent_id: str) -> EagerResult:
        view = self._views.get(intent_id)
        if view is None or view.result is None:
            return EagerResult(intent_id, None, "PENDING")
        content = view.result.to_dict()
        if view.result.ok:
            return EagerResult(intent_id, content, "SUCCESS")
        return EagerResult(intent_id, ItemsFailed.of(content), "FAILURE")


def _reason(why: str | Mapping[str, Any]) -> str:
    return json.dumps({"code": None, "reason": why} if isinstance(why, str) else dict(why))


def _record(total: int, outcomes: Mapping[str, str], enqueued_at: float) -> dict[str, str]:
    letters = Counter(outcome[0] for outcome in outcomes.values())
    counts = {
        RecordField.TOTAL: total,
        **{kind.field: letters[kind] for kind in OutcomeKind},
        OutcomeKind.SUCCEEDED.field: total - len(outcomes),
        RecordField.ENQUEUED_AT_MS: int(enqueued_at * 1000),
        RecordField.COMPLETED_AT_MS: int(time.time() * 1000),
    }
    return {field: str(count) for field, count in counts.items()}
