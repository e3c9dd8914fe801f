"""The limits and their windows are recognised, at the pace of a real second: the distances of requests count."""

import pytest

from tests.probing.conftest import EXACT, probe
from worker.operating.probing.readings import Sureness


@pytest.mark.parametrize("limit", [2, 5, 15])
@pytest.mark.parametrize("window", ["sliding", "fixed", "smooth"])
def test_the_limit_of_single_updates_and_its_window_are_recognised(prober, window, limit):
    _, run = prober(second=EXACT, put_limit=limit, put_window=window)
    found, _ = probe(run, "single_limit")
    reading = found["single_limit"]
    per_second = reading.details["per_second"]
    assert reading.finding == window, reading.in_words()
    assert reading.sureness in (Sureness.LIKELY, Sureness.PERHAPS)
    # At equal distances, the limit is seen as far as the requests are apart: never too high.
    assert limit * 0.4 <= per_second <= limit if window == "smooth" else per_second == limit


def test_a_limit_that_is_not_met_and_one_that_lasts_longer_are_told_apart(prober):
    _, run = prober(second=EXACT, put_limit=60)
    assert probe(run, "single_limit")[0]["single_limit"].finding == "unlimited"


def test_a_refusal_that_lasts_is_recognised_with_the_wait_that_it_names(prober):
    _, run = prober(second=EXACT, put_limit=5, penalty=1.4, retry_after="seconds")
    reading = probe(run, "single_limit")[0]["single_limit"]
    assert (reading.finding, reading.details["retry_after"] >= 1) == ("longer", True)


@pytest.mark.parametrize(
    ("options", "finding"),
    [({}, "sliding"), ({"batch_window": "fixed"}, "fixed_or_wider"), ({"window": 1.3}, "slower")],
    ids=str,
)
def test_the_window_of_batches_is_recognised(prober, options, finding):
    _, run = prober(second=EXACT, **options)
    reading = probe(run, "batch_limit")[0]["batch_limit"]
    assert reading.finding == finding, reading.in_words()
