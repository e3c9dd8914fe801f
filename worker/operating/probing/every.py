"""All readings, in the order in which they are made: the first two decide how the others write and read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from worker.operating.probing import (
    access,
    append_present,
    bad_field,
    batch_window,
    clearing,
    early_poll,
    empty_field,
    freshness,
    lost_update,
    repeated_uuid,
    request_limit,
    same_value,
)
from worker.operating.probing.place import MULTI, ProbePlace
from worker.operating.probing.readings import Reading, not_settled
from worker.operating.probing.run import ProbeRun

T = TypeVar("T")

NO_SECOND: Final = "it needs a second field (--field2)"
NO_MULTI: Final = f"it needs a field of the type {MULTI} (--field or --field2)"
NO_SINGLES: Final = "single updates are refused"


@dataclass(frozen=True, slots=True)
class ProbeStep:
    """`about`: what it does, for the one who is asked. `requests`: how many, about."""

    name: str
    about: str
    requests: int
    make: Callable[[ProbeRun], Reading]
    is_single: bool = False
    needs_second: bool = False
    needs_multi: bool = False

    def why_not(self, place: ProbePlace, *, may_single: bool) -> str | None:
        if self.is_single and not may_single:
            return NO_SINGLES
        if self.needs_second and place.second is None:
            return NO_SECOND
        return NO_MULTI if self.needs_multi and place.multi is None else None

    def reading(self, run: ProbeRun) -> Reading:
        why = self.why_not(run.place, may_single=run.may_single)
        return not_settled(self.name, why) if why else self.make(run)


def _judged(observe: Callable[[ProbeRun], T], judge: Callable[[T], Reading]) -> Callable[[ProbeRun], Reading]:
    return lambda run: judge(observe(run))


def _append(run: ProbeRun) -> Reading:
    field = run.place.multi
    return append_present.judge(append_present.observe(run, field) if field else [])


FIRST: Final = (access.NAME, freshness.NAME)  # always made
STEPS: Final[Sequence[ProbeStep]] = (
    ProbeStep(access.NAME, "one single update", 1, _judged(access.observe, access.judge)),
    ProbeStep(freshness.NAME, "3 writes, each read several times", 18, _judged(freshness.observe, freshness.judge)),
    ProbeStep(empty_field.NAME, "clears the field and reads it", 6, _judged(empty_field.observe, empty_field.judge)),
    ProbeStep(clearing.NAME, 'clears each field with null, "" and []', 18, _judged(clearing.observe, clearing.judge)),
    ProbeStep(
        bad_field.NAME,
        "single updates with one good and one bad value",
        12,
        _judged(bad_field.observe, bad_field.judge),
        is_single=True,
        needs_second=True,
    ),
    ProbeStep(same_value.NAME, "writes a value twice", 8, _judged(same_value.observe, same_value.judge)),
    ProbeStep(
        repeated_uuid.SINGLE,
        "repeats a single update",
        10,
        _judged(repeated_uuid.observe_single, repeated_uuid.judge_single),
        is_single=True,
    ),
    ProbeStep(append_present.NAME, "appends a member that is there", 8, _append, needs_multi=True),
    ProbeStep(early_poll.NAME, "3 batches, polled at once", 6, _judged(early_poll.observe, early_poll.judge)),
    ProbeStep(
        repeated_uuid.BATCH,
        "repeats a batch_update",
        6,
        _judged(repeated_uuid.observe_batch, repeated_uuid.judge_batch),
    ),
    ProbeStep(
        lost_update.NAME,
        "writes two fields of one item at the same time",
        36,
        _judged(lost_update.observe, lost_update.judge),
        is_single=True,
        needs_second=True,
    ),
    ProbeStep(
        batch_window.NAME,
        "pairs of batch_updates, of which some are too fast on purpose",
        18,
        _judged(batch_window.observe, batch_window.judge),
    ),
    ProbeStep(
        request_limit.NAME,
        "20 single updates at once, twice: too fast on purpose",
        68,
        _judged(request_limit.observe, request_limit.judge),
        is_single=True,
    ),
)
NAMES: Final = tuple(step.name for step in STEPS)


def chosen_steps(names: Sequence[str]) -> list[ProbeStep]:
    """All, if none is named."""
    return [step for step in STEPS if not names or step.name in (*FIRST, *names)]
