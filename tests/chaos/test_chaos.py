"""A few fixed seeds of the driver. Many more run with `make chaos`."""

import pytest

from tests.chaos.driver import FAILURES, Run, fresh_stack, keep_evidence

SEEDS = [1, 2]


@pytest.mark.timeout(240)
def test_fixed_seeds_keep_every_promise(tmp_path):
    with fresh_stack(tmp_path / "stack", SEEDS[0]) as stack:
        for seed in SEEDS:
            run = Run(stack, seed, seconds=5, intents=24, faults=7)
            if broken := run.run().broken:
                keep_evidence(run, FAILURES / f"seed-{seed}")
                pytest.fail(f"seed {seed}, evidence in {FAILURES}: {broken[:5]}; struck: {run.struck}")
