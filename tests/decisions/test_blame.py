"""Whether a place that was refused often enough is refused alone: every kind of evidence, and why."""

from itertools import product

import pytest

from worker.ledger.records import Access
from worker.pipeline.access_probe import ProbeResult
from worker.pipeline.blame import is_the_places

ENOUGH = 5
# finding, the lane worked elsewhere, it worked in this place, another place is refused, the intents name a user → the place alone
ANY = (True, False)
TABLE = [
    # The lane's own user is refused as well, or sees none of its spaces any more.
    *((case, False) for case in product([ProbeResult.LANE], ANY, ANY, ANY, ANY)),
    # The space is not among those the lane sees, and others are, or nobody knows of others.
    *((case, True) for case in product([ProbeResult.PLACE], [True], ANY, ANY, ANY)),
    *((case, True) for case in product([ProbeResult.PLACE], [False], [False], ANY, ANY)),
    # The only place that the lane ever worked in is gone: all its work is kept.
    *((case, False) for case in product([ProbeResult.PLACE], [False], [True], ANY, ANY)),
    # It worked here, so something was withdrawn, and the probe does not say that it was withdrawn here only.
    *((case, False) for case in product([ProbeResult.SEEN, ProbeResult.NOTHING], ANY, [True], ANY, ANY)),
    # The lane's own user sees the space, and another user is named.
    *((case, True) for case in product([ProbeResult.SEEN], ANY, [False], ANY, [True])),
    # It worked elsewhere and never here: the place alone, unless a second place is refused as well.
    *((case, True) for case in product([ProbeResult.SEEN], [True], [False], [False], [False])),
    *((case, False) for case in product([ProbeResult.SEEN], [True], [False], [True], [False])),
    *((case, False) for case in product([ProbeResult.SEEN], [False], [False], ANY, [False])),
    *((case, True) for case in product([ProbeResult.NOTHING], [True], [False], [False], ANY)),
    *((case, False) for case in product([ProbeResult.NOTHING], [True], [False], [True], ANY)),
    *((case, False) for case in product([ProbeResult.NOTHING], [False], [False], ANY, ANY)),
]


def test_the_table_is_complete():
    cases = [case for case, _ in TABLE]
    assert sorted(cases) == sorted(product(ProbeResult, ANY, ANY, ANY, ANY))


@pytest.mark.parametrize(("case", "expected"), TABLE)
def test_evidence_decides_whether_a_place_is_refused_alone(case, expected):
    finding, elsewhere, here, others, names_a_user = case
    access = Access(ENOUGH, others, here, "space user" if elsewhere else None)
    assert is_the_places(access, finding, names_a_user=names_a_user) is expected
