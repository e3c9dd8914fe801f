"""All readings, in the order in which they are made: the first two decide how the others write and read."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

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


def _append(run: ProbeRun) -> Reading:
    field = run.place.multi
    return append_present.judge(append_present.observe(run, field) if field else [])


FIRST: Final = (access.NAME, freshness.NAME)  # always made
STEPS: Final[Sequence[ProbeStep]] = (
    ProbeStep(access.NAME, "one single update", 1, lambda run: access.judge(access.observe(run))),
    ProbeStep(
        freshness.NAME, "3 writes, each read several times", 18, lambda run: freshness.judge(freshness.observe(run))
    ),
    ProbeStep(
        empty_field.NAME, "clears the field and reads it", 6, lambda run: empty_field.judge(empty_field.observe(run))
    ),
    ProbeStep(
        clearing.NAME, 'clears each field with null, "" and []', 18, lambda run: clearing.judge(clearing.observe(run))
    ),
    ProbeStep(
        bad_field.NAME,
        "single updates with one good and one bad value",
        12,
        lambda run: bad_field.judge(bad_field.observe(run)),
        is_single=True,
        needs_second=True,
    ),
    ProbeStep(same_value.NAME, "writes a value twice", 8, lambda run: same_value.judge(same_value.observe(run))),
    ProbeStep(
        repeated_uuid.SINGLE,
        "repeats a single update",
        10,
        lambda run: repeated_uuid.judge_single(repeated_uuid.observe_single(run)),
        is_single=True,
    ),
    ProbeStep(append_present.NAME, "appends a member that is there", 8, _append, needs_multi=True),
    ProbeStep(early_poll.NAME, "3 batches, polled at once", 6, lambda run: early_poll.judge(early_poll.observe(run))),
    ProbeStep(
        repeated_uuid.BATCH,
        "repeats a batch_update",
        6,
        lambda run: repeated_uuid.judge_batch(repeated_uuid.observe_batch(run)),
    ),
    ProbeStep(
        lost_update.NAME,
        "writes two fields of one item at the same time",
        36,
        lambda run: lost_update.judge(lost_update.observe(run)),
        is_single=True,
        needs_second=True,
    ),
    ProbeStep(
        batch_window.NAME,
        "pairs of batch_updates, of which some are too fast on purpose",
        18,
        lambda run: batch_window.judge(batch_window.observe(run)),
    ),
    ProbeStep(
        request_limit.NAME,
        "20 single updates at once, twice: too fast on purpose",
        68,
        lambda run: request_limit.judge(request_limit.observe(run)),
        is_single=True,
    ),
)
NAMES: Final = tuple(step.name for step in STEPS)


def chosen_steps(names: Sequence[str]) -> list[ProbeStep]:
    """All, if none is named."""
    return [step for step in STEPS if not names or step.name in (*FIRST, *names)]
