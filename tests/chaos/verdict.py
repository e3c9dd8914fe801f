"""After the calm: whether every promise was kept. A broken one is a sentence."""

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from feishu_batch import UpdateIntent
from tests.chaos.audit import Snapshot, audit, strangers
from tests.chaos.courses import CellChange, fits
from tests.chaos.workload import DOORS, Wish
from tests.support.model import REFUSING
from worker.ledger.reads.ledger import LedgerReads
from worker.operating.details import IntentDetail, ItemState, intent_detail

# What a change of an item that refuses nothing may fail with: the bounds of endurance, all of which say so.
HONEST_FAILURES = {"outcome_unknown", "not_stored", "replacement_failed", "changed_meanwhile", "condition_unknown"}
STRUCK = "20050"  # a fault of the endpoint for one item, which the driver strikes
# The sandbox stamps arrivals in a process that shares two cores with a dozen others. What is looked for here is a second
# sender, whose requests come at any moment of the slot; a millisecond is the business of tests/pacing. Seconds.
GUARD = 0.01
ENDED = {
    ItemState.SUCCEEDED: "succeeded",
    ItemState.UNCHANGED: "unchanged",
    ItemState.FAILED: "failed",
    ItemState.SUPERSEDED: "superseded",
    ItemState.CANCELED: "canceled",
    ItemState.EXPIRED: "expired",
}


@dataclass
class Verdict:
    broken: list[str] = field(default_factory=list)
    figures: Counter[str] = field(default_factory=Counter)

    def judge(self, stack: Any, wishes: list[Wish]) -> None:
        self._refusals_were_struck = any("update_item:refuse" in name for name in stack.sandbox.report()["faults"])
        found = self._details(stack, wishes)
        self._intents(found, wishes)
        self._results(stack, found)
        self._order_of_doors(found, wishes)
        self._cells(stack, found)
        self._remote_rules(stack)
        snapshot = Snapshot.take(stack.redis, stack.settings.key_prefix)
        self.broken += audit(snapshot, is_over=True)
        self.broken += strangers(stack.redis, stack.settings.key_prefix)

    # --- intents --------------------------------------------------------------------------------------------------

    def _details(self, stack: Any, wishes: list[Wish]) -> dict[str, tuple[UpdateIntent, IntentDetail]]:
        reads = LedgerReads(stack.redis, stack.settings.key_prefix)
        found = {}
        for wish in wishes:
            detail = intent_detail(reads, wish.intent.intent_id, stack.settings.user_key)
            if detail is not None:
                found[wish.intent.intent_id] = (wish.intent, detail)
            elif wish.acknowledged:
                self.broken.append(f"{wish.intent.intent_id} was acknowledged and is lost")
            else:
                self.figures["messages lost before they were taken in"] += 1
        self.figures["intents"] += len(found)
        return found

    def _intents(self, found: dict[str, tuple[UpdateIntent, IntentDetail]], wishes: list[Wish]) -> None:
        for intent_id, (one, detail) in found.items():
            name = f"intent {detail.view.number} ({intent_id})"
            result = detail.view.result
            if result is None:
                self.broken.append(f"{name} has not ended: {detail.view.progress}")
                continue
            states = Counter(item.state for item in detail.items)
            told = {ENDED.get(state, str(state)): count for state, count in states.items()}
            counts = {name: count for name, count in result.counts.items() if count}
            if told != counts or sum(counts.values()) != len(one.work_item_ids):
                self.broken.append(f"{name}: items {told}, counts {counts}, {len(one.work_item_ids)} items")
            if {item.item for item in detail.items} != set(one.work_item_ids):
                self.broken.append(f"{name}: other items than were asked for")
            self._truth_of_items(name, one, detail)
            self.figures.update({f"changes {state}": count for state, count in told.items()})

    def _truth_of_items(self, name: str, one: UpdateIntent, detail: IntentDetail) -> None:
        for item in detail.items:
            refusal = REFUSING.get(item.item)
            if item.state is ItemState.FAILED:
                self.figures[f"failed with {item.code}"] += 1
                if refusal:
                    # A job that leaves the item out of both lists names no reason for it either.
                    if refusal not in str(item.reason) and item.code not in {*HONEST_FAILURES, "remote_refused"}:
                        self.broken.append(f"{name}: item {item.item} failed with {item.code}: {item.reason}")
                elif item.code not in HONEST_FAILURES and not (item.code == STRUCK and self._refusals_were_struck):
                    self.broken.append(f"{name}: item {item.item} failed with {item.code}: {item.reason}")

    def _results(self, stack: Any, found: dict[str, tuple[UpdateIntent, IntentDetail]]) -> None:
        """What Celery says under the id of an intent is what the ledger says."""
        for intent_id, (_, detail) in found.items():
            text = stack.redis.get(f"celery-task-meta-{intent_id}")
            if text is None:
                self.broken.append(f"intent {detail.view.number}: no result was stored")
                continue
            stored, result = json.loads(text), detail.view.result
            if result is None:
                continue
            right = "SUCCESS" if result.ok else "REVOKED" if result.state in {"canceled", "expired"} else "FAILURE"
            if stored["status"] != right or (right == "SUCCESS" and stored["result"] != result.to_dict()):
                self.broken.append(f"intent {detail.view.number} is {result.state}; Celery says {text[:300]}")
            if right == "FAILURE" and stored["result"].get("exc_type") != "ItemsFailed":
                self.broken.append(f"intent {detail.view.number} is {result.state}; Celery says {text[:300]}")

    def _order_of_doors(self, found: dict[str, tuple[UpdateIntent, IntentDetail]], wishes: list[Wish]) -> None:
        for door in DOORS[:2]:
            in_order = sorted((wish for wish in wishes if wish.door == door), key=lambda wish: wish.at)
            numbers = [found[w.intent.intent_id][1].view.number for w in in_order if w.intent.intent_id in found]
            if numbers != sorted(numbers):
                self.broken.append(f"the numbers of one producer are out of order: {numbers}")

    # --- cells ----------------------------------------------------------------------------------------------------

    def _cells(self, stack: Any, found: dict[str, tuple[UpdateIntent, IntentDetail]]) -> None:
        wanted: dict[tuple[int, str], list[CellChange]] = defaultdict(list)
        reads = LedgerReads(stack.redis, stack.settings.key_prefix)
        for one, detail in found.values():
            [entry] = reads.entries([one.intent_id])
            place = reads.place(entry) if entry else None
            before = reads.before(place) if place else {}
            self.figures["values from before that were kept"] += len(before)
            for item in detail.items:
                change = CellChange(detail.view.number, one, item.state, item.code, before.get(str(item.item)))
                wanted[item.item, one.field_key].append(change)
        told = {(cell["item_id"], cell["field_key"]): cell["history"] for cell in stack.sandbox.cells()}
        for cell in {*wanted, *told}:
            changes, history = sorted(wanted[cell], key=lambda change: change.number), told.get(cell, [])
            self.figures["touches of cells"] += len(history)
            if not fits(cell, changes, history):
                self.broken.append(f"cell {cell}: {[str(one) for one in changes]} cannot have led to {history}")

    # --- the remote's rules ---------------------------------------------------------------------------------------

    def _remote_rules(self, stack: Any) -> None:
        seen = stack.sandbox.violations()
        report = stack.sandbox.report()
        self.broken += [f"two open jobs shared a cell: {pair}" for pair in seen["overlaps"]]
        self.broken += [f"too many items: {one}" for one in seen["too_many_items"]]
        self.broken += [f"a value was lost: {one}" for one in report["single_updates"]["lost_values"]]
        self.figures["single updates"] += report["single_updates"]["accepted"]
        for fields, count in report["single_updates"]["fields"].items():
            self.figures[f"single updates of {fields} fields"] += count
        for one in seen["too_fast"]:
            if one["endpoint"] == "update_item":
                self.figures["single updates that were refused for their rate"] += 1
            elif report["window"] - one["gap"] > GUARD:
                self.broken.append(f"too fast: {one}")
            else:
                self.figures["requests that came early by less than the guard"] += 1
        self.figures["jobs"] += len(report["batches"])
        self.figures["identical changes that overlapped"] += len(seen["repeats"])
        for endpoint in report["endpoints"]:
            self.figures[f"requests to {endpoint['endpoint']}"] += len(endpoint["arrivals"])
        for name, count in report["faults"].items():
            self.figures[f"remote {name}"] += count
