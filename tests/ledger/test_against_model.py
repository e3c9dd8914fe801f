"""The ledger's Lua against the model, on a real server and random histories: after each step both are the same.

More examples by hand: LEDGER_EXAMPLES=2000 pytest tests/ledger/test_against_model.py
"""

import os

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.ledger.lane_machine import ALL_GROUPS, FEW_GROUPS, LedgerMachine
from tests.ledger.single_machine import MANY_UPDATES, ONE_VALUE_EACH, SingleMachine

EXAMPLES = int(os.environ.get("LEDGER_EXAMPLES", "0"))


def run(machine):
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES or 40,
            stateful_step_count=40,
            deadline=None,
            derandomize=not EXAMPLES,
            database=None,
            print_blob=True,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.usefixtures("small_and_countable")
@pytest.mark.timeout(EXAMPLES + 900)
@pytest.mark.parametrize(
    ("groups", "most_items", "items"),
    [(ALL_GROUPS, 8, 12), (ALL_GROUPS, 3, 3), (FEW_GROUPS, 4, 4)],
    ids=["many cells", "few cells", "few cells and wishes"],
)
def test_ledger_agrees_with_the_model_on_any_history(redis, groups, most_items, items):
    run(lambda: LedgerMachine(redis, groups, most_items, list(range(1, items + 1))))


@pytest.mark.usefixtures("small_and_countable")
@pytest.mark.timeout(EXAMPLES + 900)
@pytest.mark.parametrize(
    ("groups", "most_items", "items", "quiet"),
    [(MANY_UPDATES, 2, 3, 0), (ALL_GROUPS, 3, 3, 0), (ONE_VALUE_EACH, 1, 2, 500_000)],
    ids=["many values", "few cells", "distinct, when quiet"],
)
def test_both_routes_agree_with_the_model_on_any_history(redis, countable_singles, groups, most_items, items, quiet):
    countable_singles(quiet)
    run(lambda: SingleMachine(redis, groups, most_items, list(range(1, items + 1)), quiet))
