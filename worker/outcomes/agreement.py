"""What the answer about a job that has ended proves of its items: only what word, counters and lists agree in. Pure.

Any of them may be missing; what is missing contradicts nothing. What is there has to fit: both lists name items that were
sent, each once; counters are as long as the lists, and make up what was sent; and SUCCESS is not the word for a job in
which only failures are told, nor FAILED for one without any. Else the whole answer proves nothing: who knows which part is wrong.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from worker.remote.models import JobReport

NONE: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Proven:
    """`doubt`: in what the answer contradicts itself, "" if it does not. Items in neither set are to be read back."""

    succeeded: frozenset[int] = NONE
    failed: frozenset[int] = NONE
    doubt: str = ""


def proven(items: Sequence[int], report: JobReport) -> Proven:
    """`items`: what was sent."""
    sent = frozenset(items)
    if doubt := _doubt(sent, report):
        return Proven(doubt=doubt)
    succeeded, failed = frozenset(report.succeeded or ()), frozenset(report.failed or ())
    rest = sent - succeeded - failed
    # A counter speaks for a list that is missing, where it leaves one way to add up.
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
    told = [*(report.succeeded or ()), *(report.failed or ())]
    if not sent.issuperset(told):
        return "a list names items that were not sent"
    if len(told) != len(set(told)):
        return "the lists name an item twice"
    return ""


def _doubt_of_counters(size: int, report: JobReport) -> str:
    if report.total is not None and report.total != size:
        return f"total is {report.total}, {size} were sent"
    for name, counter, listed in (
        ("success_total", report.success_total, report.succeeded),
        ("error_total", report.error_total, report.failed),
    ):
        if counter is not None and (counter < 0 or (listed is not None and counter != len(listed))):
            return f"{name} is {counter}" + ("" if listed is None else f", its list names {len(listed)}")
    if _succeeded(report) + _failed(report) > size:
        return f"success_total and error_total make more than the {size} that were sent"
    return ""


def _doubt_of_word(report: JobReport) -> str:
    word = report.word.strip().upper()
    if word == "SUCCESS" and _failed(report) and not _succeeded(report):
        return "SUCCESS, and only failures are told"
    if word == "FAILED" and _succeeded(report) and not _failed(report):
        return "FAILED, and only successes are told"
    return ""


def _succeeded(report: JobReport) -> int:
    return len(report.succeeded) if report.succeeded is not None else report.success_total or 0


def _failed(report: JobReport) -> int:
    return len(report.failed) if report.failed is not None else report.error_total or 0


def tells_failures_only(report: JobReport) -> bool:
    return _failed(report) > 0 and not _succeeded(report)
