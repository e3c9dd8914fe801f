"""What the answer about an ended job proves for its items: only what status word, counters and lists agree on. Pure.

Any of them may be missing; a missing part contradicts nothing. The given parts must be consistent: both lists contain sent items,
each once; the counters equal the lengths of the lists, and their sum the number of sent items; and a job that lists only failures
is not SUCCESS, nor a job without failures FAILED. Otherwise the answer proves nothing, because it is unclear which part is wrong.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from worker.remote.models import JobReport

NONE: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Proven:
    """`doubt`: how the answer contradicts itself, "" if it does not. Items in neither set must be read back."""

    succeeded: frozenset[int] = NONE
    failed: frozenset[int] = NONE
    doubt: str = ""


def proven(items: Sequence[int], report: JobReport) -> Proven:
    """`items`: the sent items."""
    sent = frozenset(items)
    if doubt := _doubt(sent, report):
        return Proven(doubt=doubt)
    succeeded, failed = frozenset(report.succeeded or ()), frozenset(report.failed or ())
    rest = sent - succeeded - failed
    # A counter replaces a missing list, if only one result is possible.
    if rest and report.succeeded is None and report.success_total == len(rest):
        return Proven(rest, failed)
    if rest and report.failed is None and report.error_total == len(rest):
        return Proven(succeeded, rest)
    return Proven(succeeded, failed)


def _doubt(sent: frozenset[int], report: JobReport) -> str:
    if report.is_garbled:
        return "a counter or a list cannot be read"
    return _doubt_of_lists(sent, report) or _doubt_of_counters(len(sent), report) or _doubt_of_word(report)


def _doubt_of_lists(sent: frozenset[int], report: JobReport) -> str:
    listed = [*(report.succeeded or ()), *(report.failed or ())]
    if not sent.issuperset(listed):
        return "a list contains items that were not sent"
    if len(listed) != len(set(listed)):
        return "the lists contain an item twice"
    return ""


def _doubt_of_counters(size: int, report: JobReport) -> str:
    if report.total is not None and report.total != size:
        return f"total is {report.total}, {size} were sent"
    for name, counter, listed in (
        ("success_total", report.success_total, report.succeeded),
        ("error_total", report.error_total, report.failed),
    ):
        if counter is not None and (counter < 0 or (listed is not None and counter != len(listed))):
            return f"{name} is {counter}" + ("" if listed is None else f", its list has {len(listed)} items")
    if _succeeded(report) + _failed(report) > size:
        return f"success_total and error_total are more than the {size} items that were sent"
    return ""


def _doubt_of_word(report: JobReport) -> str:
    word = report.word.strip().upper()
    if word == "SUCCESS" and _failed(report) and not _succeeded(report):
        return "SUCCESS, but it lists only failures"
    if word == "FAILED" and _succeeded(report) and not _failed(report):
        return "FAILED, but it lists only successes"
    return ""


def _succeeded(report: JobReport) -> int:
    return len(report.succeeded) if report.succeeded is not None else report.success_total or 0


def _failed(report: JobReport) -> int:
    return len(report.failed) if report.failed is not None else report.error_total or 0


def tells_failures_only(report: JobReport) -> bool:
    return _failed(report) > 0 and not _succeeded(report)
