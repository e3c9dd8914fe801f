"""What an answer about an ended job proves, against every course that the job can have taken."""

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.decisions.factory import report
from worker.decisions.agreement import proven

ITEMS = (1, 2, 3)
COURSES = [dict(zip(ITEMS, course, strict=True)) for course in product("sf?", repeat=len(ITEMS))]  # ?: neither

counters = st.none() | st.integers(-1, 4)
lists = st.none() | st.lists(st.sampled_from([*ITEMS, 99]), max_size=4)
words = st.sampled_from(["SUCCESS", "FAILED", "CANCELED", "success", "DONE"])
reports = st.builds(
    report,
    word=words,
    succeeded=lists,
    failed=lists,
    success_total=counters,
    error_total=counters,
    total=counters,
    garbled=st.sampled_from([False] * 9 + [True]),
)


def could_be(course, told):
    """Whether a remote system that tells the truth, or leaves it out, could say this of that course."""
    done, failed = ([item for item in ITEMS if course[item] == letter] for letter in "sf")
    facts = [
        (told.succeeded and sorted(told.succeeded), done, told.succeeded is None),
        (told.failed and sorted(told.failed), failed, told.failed is None),
        (told.success_total, len(done), told.success_total is None),
        (told.error_total, len(failed), told.error_total is None),
        (told.total, len(ITEMS), told.total is None),
    ]
    fits = all(is_missing or list_or_count(said) == list_or_count(true) for said, true, is_missing in facts)
    word = told.word.upper()
    is_odd = (word == "SUCCESS" and failed and not done) or (word == "FAILED" and done and not failed)
    return fits and not is_odd


def list_or_count(value):
    return value or 0 if isinstance(value, int) else list(value or ())


@settings(max_examples=3000, deadline=None, derandomize=True)
@given(reports)
def test_an_item_has_an_outcome_only_if_it_is_the_same_in_every_course_that_fits_the_answer(told):
    found = proven(ITEMS, told)
    courses = [course for course in COURSES if could_be(course, told)]
    if not courses or told.is_garbled:
        assert not found.succeeded | found.failed
    assert all(course[item] == "s" for course in courses for item in found.succeeded)
    assert all(course[item] == "f" for course in courses for item in found.failed)


@settings(max_examples=500, deadline=None, derandomize=True)
@given(st.sampled_from(COURSES), st.sampled_from(["CANCELED", "DONE"]), st.booleans(), st.booleans())
def test_an_answer_that_tells_the_whole_truth_costs_no_look_at_an_item_that_it_lists(course, word, counts, totals):
    done, failed = ([item for item in ITEMS if course[item] == letter] for letter in "sf")
    told = {"success_total": len(done), "error_total": len(failed)} if counts else {}
    told |= {"total": len(ITEMS)} if totals else {}
    word = ("SUCCESS" if done or not failed else "FAILED") if word == "DONE" else word  # as the sandbox says it
    found = proven(ITEMS, report(word, succeeded=done, failed=failed, **told))
    assert (found.succeeded, found.failed, found.doubt) == (set(done), set(failed), "")
