"""The explanation of the code of a failure, from any source: for commands, the status page and docs/errors.md."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from feishu_batch.explained import FAILURES, Explanation, FailureCode
from worker.catalogue.explained import EXPLAINED
from worker.catalogue.models import Code
from worker.ledger.records import NoBatchReason
from worker.remote.codes import DEFAULT_RULES
from worker.remote.meanings import SCENES, meaning_of


def explanation_of(code: str | None) -> Explanation | None:
    """None for a code that only the remote system knows."""
    if not code:
        return None
    if code in set(FailureCode):
        return FAILURES[FailureCode(code)]
    if code in set(Code):
        return EXPLAINED[Code(code)]
    if code.isdecimal() and int(code) in DEFAULT_RULES:
        return meaning_of(int(code))
    return SCENES.get(code)


def explained_codes() -> dict[str, Explanation]:
    """Every code that can be explained."""
    codes = [*FailureCode, *Code, *map(str, DEFAULT_RULES), *SCENES]
    return {str(code): found for code in codes if (found := explanation_of(str(code)))}


def advice_on(code: str | None) -> str | None:
    """What to do about it, in a sentence or two."""
    found = explanation_of(code)
    return found.advice if found else None


# Why a run of the submit step sent nothing: `state` in its Celery result, which Flower shows.
SENT_NOTHING: Final[Mapping[str, Explanation]] = MappingProxyType(
    {
        NoBatchReason.PAUSED: Explanation("The lane is paused.", "`feishu-batch status` shows why and what to do."),
        NoBatchReason.HELD: Explanation("Another submit worker sends for the lane.", "Nothing."),
        NoBatchReason.FULL: Explanation(
            "As many jobs are open as FEISHU_BATCH_MAX_OPEN_JOBS allows.",
            "Nothing: it continues when jobs end. If it lasts, check the poll worker.",
        ),
        NoBatchReason.IDLE: Explanation("No change is ready.", "Nothing."),
        NoBatchReason.OFF: Explanation(
            "Single updates are switched off, for a while or by the settings: everything goes by batches.",
            "`feishu-batch status` shows why, and for how long.",
        ),
        "not_served": Explanation(
            "The lane's settings are faulty, so this worker does not serve it. Its intents wait.",
            "Correct the lane in FEISHU_BATCH_LANES_FILE: `feishu-batch doctor` says what is wrong. Then restart the workers.",
        ),
        "waiting": Explanation("The next slot opens later than one run may wait.", "Nothing."),
        "no token": Explanation(
            "The remote system gave no token.", "`feishu-batch status` shows its answer; the workers try again."
        ),
    }
)
