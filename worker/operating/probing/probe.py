"""One probe from the first request to the last: the readings, then the values from before."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from worker.operating.probing.every import ProbeStep
from worker.operating.probing.originals import Originals
from worker.operating.probing.readings import Reading, not_settled
from worker.operating.probing.restoring import NotRestored, restore
from worker.operating.probing.run import ProbeRun
from worker.operating.probing.sent import ProbeStoppedError, UnsettledError
from worker.remote.errors import LaneStopped, RemoteError


@dataclass(slots=True)
class ProbeOutcome:
    """`stopped`: why it ended early. `interrupted`: by Ctrl-C. `error`: an unexpected one, to be raised once the values are back."""

    readings: list[Reading] = field(default_factory=list)
    not_restored: list[NotRestored] = field(default_factory=list)
    stopped: str = ""
    interrupted: bool = False
    error: Exception | None = None

    @property
    def is_whole(self) -> bool:
        return not (self.not_restored or self.stopped or self.interrupted)


def make_readings(
    run: ProbeRun, steps: Sequence[ProbeStep], show: Callable[[Reading], None], result: ProbeOutcome
) -> None:
    """Adds to the result. Whatever fails, it returns, so that the values can be put back; only Ctrl-C passes."""
    try:
        for step in steps:
            reading = _reading(run, step)
            result.readings.append(reading)
            show(reading)
    except (ProbeStoppedError, LaneStopped) as error:
        result.stopped = str(error)
    except Exception as error:  # noqa: BLE001 - raised again later
        result.error, result.stopped = error, f"{type(error).__name__}: {error}"


def _reading(run: ProbeRun, step: ProbeStep) -> Reading:
    try:
        return step.reading(run)
    except LaneStopped:
        raise
    except (RemoteError, UnsettledError) as error:
        return not_settled(step.name, str(error))


def put_back(run: ProbeRun, before: Originals, result: ProbeOutcome, grace: float) -> None:
    result.not_restored = restore(run, before, grace)
