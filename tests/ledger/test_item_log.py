"""Which intents name a work item, with every size of an intent, and with marks that several items share."""

import random

import pytest

from feishu_batch.item_log import BLOCKS, LOG_BLOCK, LOOK_AT, MARK_DIGITS, MOST_MARKED, ItemLog
from tests.support.lane_kit import new_intent
from worker.ledger.records import Outcome, OutcomeKind

NEAR = 10**MARK_DIGITS  # items this far apart have one mark
ITEMS = [1, 7, 1001, 999_999, 6_300_000_001, 6_310_000_001, 2**63 - 1, 6_302_097_151, NEAR, 2 * NEAR]
SIZES = [1, 1, 2, MOST_MARKED, MOST_MARKED + 1, 60]


@pytest.fixture
def log(redis):
    return ItemLog(redis)


def named(intents, item):
    return sorted((number for number, items in intents.items() if item in items), reverse=True)


def test_each_item_finds_its_intents_and_no_others(redis, lane, log):
    dice = random.Random(7)
    intents = {}
    for number in range(1, 4 * LOG_BLOCK):
        size = dice.choice(SIZES)
        intents[number] = [dice.choice(ITEMS), *dice.sample(range(2_000, 9_000), size - 1)]
    lane.record([new_intent(number, items) for number, items in intents.items() if number % 5])
    for number in range(5, 4 * LOG_BLOCK, 5):
        lane.refuse(number, f"intent-{number}", 1, intents[number], Outcome.failed("c", "why"))
    for item in [*ITEMS, 2_000, 8_999, 3]:
        assert log.numbers(lane.keys.head, item) == named(intents, item)
    assert len(redis.smembers(lane.keys.log_blocks)) == 4


def test_what_is_forgotten_leaves_the_log_whatever_its_order(redis, lane, log):
    numbers = list(range(1, 3 * LOG_BLOCK))
    for number in numbers:
        lane.refuse(number, f"intent-{number}", 1, [5, *range(number % 14)], Outcome.failed("c", "why"))
    gone = random.Random(7).sample(numbers, len(numbers) * 2 // 3)
    lane.confirm_published(numbers)
    lane.forget(gone)
    kept = sum((1 if number % 14 >= MOST_MARKED else 1 + number % 14) * 4 for number in set(numbers) - set(gone))
    assert sum(redis.strlen(lane.keys.item_log(block)) for block in redis.smembers(lane.keys.log_blocks)) == kept
    assert log.numbers(lane.keys.head, 5) == sorted(set(numbers) - set(gone), reverse=True)
    lane.forget(numbers)
    assert redis.keys(f"{lane.prefix}item-log*") == []


def test_an_open_intent_stays_in_the_log(lane, log):
    lane.record([new_intent(1, [5])])
    lane.forget([1])
    assert log.numbers(lane.keys.head, 5) == [1]
    lane.end_pending(1, Outcome(OutcomeKind.CANCELED))
    lane.forget([1])
    assert log.numbers(lane.keys.head, 5) == []


def test_large_intents_end_a_step_early(redis, lane, log):
    large = ",".join(map(str, range(1, 10_001)))
    for number in range(1, 101):
        lane.refuse(number, f"intent-{number}", 1, range(50), Outcome.failed("c", "why"))
        redis.hset(lane.keys.intent(number), "it", large)
    assert log.numbers(lane.keys.head, 1001) == list(range(100, 0, -1))
    assert log.numbers(lane.keys.head, 10_001) == []


@pytest.mark.parametrize(("size", "apart"), [(1, LOG_BLOCK), (MOST_MARKED + 1, 1)], ids=["blocks", "intents"])
def test_every_page_is_looked_at(lane, log, size, apart):
    numbers = [apart * n for n in range(1, max(BLOCKS, LOOK_AT) * 2 + 2)]
    lane.record([new_intent(number, range(number, number + size)) for number in numbers])
    for number in (numbers[0], numbers[len(numbers) // 2], numbers[-1]):
        assert number in log.numbers(lane.keys.head, number)


def test_its_blocks_are_texts(redis, lane):
    """A client that decodes answers can read each key of a lane."""
    for number, items in enumerate(([999_999], [16_383], [127], range(20)), 1):
        lane.refuse(number, f"intent-{number}", 1, items, Outcome.failed("c", "why"))
    [entries] = [redis.get(lane.keys.item_log(block)) for block in redis.smembers(lane.keys.log_blocks)]
    assert isinstance(entries, str)
    assert entries.isascii()
