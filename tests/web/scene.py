"""A working lane as the documents show it: sets, failures, full requests, and work that is left."""

import time
from collections.abc import Mapping
from typing import Final

from tests.web.by_hand import ByHand
from worker.ledger.fields import SlotField
from worker.ledger.routes import BATCH

ENGLISH: Final[Mapping[str, str]] = {
    "plan": "Sprint 7: priorities and due dates",
    "sync": "Nightly sync from the CRM",
    "single": "Raise the priority of the payment stories",
    "note": "Release notes of 4.2",
    "people": "product team",
    "crm": "crm-sync@worker-2",
}
CHINESE: Final[Mapping[str, str]] = {
    "plan": "第七次迭代：优先级与截止日期",
    "sync": "每晚从 CRM 同步",
    "single": "提高支付需求的优先级",
    "note": "4.2 版本的发布说明",
    "people": "产品组",
    "crm": "crm-sync@worker-2",
}


def play(page: ByHand, words: Mapping[str, str]) -> None:
    plan = {item: {"priority": {"value": f"option_{item % 3}"}} for item in range(2001, 2301)}
    page.put_cells(plan, "sprint-7", words["plan"], producer=words["people"])
    page.put(range(3001, 3081), value="4.2", note=words["note"], producer=words["people"])
    page.ledger.do_all({2042: "NoPermissionToModify", 2117: "WorkItemTerminated", 3005: "NoPermissionToModify"})
    sync = {item: {"field_0c9d1e": f"CRM {item % 9}"} for item in range(4001, 4901)}
    page.put_cells(sync, "nightly-sync:2026-11-30", words["sync"], producer=words["crm"])
    page.put(range(5001, 5121), field="priority", value={"value": "option_1"}, note=words["single"], priority=8)
    page.ledger.take_in()
    for _ in range(6):
        page.ledger.settle(page.ledger.claim())
    for _ in range(3):
        page.ledger.accept(page.ledger.claim())


def use_slots(page: ByHand, share: float, seconds: float) -> None:
    """As a worker does, one slot a second; by eye only, while a browser looks on."""
    for second in range(round(seconds)):
        if second / seconds < share:
            page.redis.hincrby(page.ledger.lane.keys.route(BATCH).slot, SlotField.ID, 1)
        time.sleep(1)
