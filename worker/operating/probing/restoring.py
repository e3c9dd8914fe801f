"""Puts the values from before the probe back, and reads them to be sure."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from worker.operating.probing.originals import Originals
from worker.operating.probing.run import ProbeRun
from worker.operating.probing.sent import ProbeStoppedError, UnsettledError
from worker.remote.errors import RemoteError

TRIES: Final = 4
PAUSE: Final = 1.0  # seconds; longer after each try


@dataclass(frozen=True, slots=True)
class NotRestored:
    """`value`: what the field held before the probe, in the API's form."""

    item: int
    field_key: str
    value: Any
    why: str


def restore(run: ProbeRun, before: Originals, grace: float) -> list[NotRestored]:
    """What could not be put back. `grace`: seconds until a request without an answer cannot be executed any more."""
    run.sender.is_putting_back = True
    cells = [cell for cell in run.sender.touched if cell in before.values]
    if not cells:
        return []
    _settle(run, grace)
    whys: dict[tuple[int, str], str] = {}
    for number in range(TRIES):
        whys = {cell: _put_back(run, before, cell) for cell in cells}
        cells = _still_wrong(run, before, cells, PAUSE * run.second * number)
        if not cells:
            break
    return [NotRestored(item, key, before.values[item, key], whys[item, key]) for item, key in cells]


def _settle(run: ProbeRun, grace: float) -> None:
    """A job of before would write over what is put back."""
    try:
        run.sender.drain()
    except (RemoteError, ProbeStoppedError):
        run.sender.may_be_late = True
    if run.sender.may_be_late:
        time.sleep(grace)


def _put_back(run: ProbeRun, before: Originals, cell: tuple[int, str]) -> str:
    """Why it could not be; else what to say if it does not show."""
    item, key = cell
    try:
        run.write(item, {key: before.values[cell]})
    except (RemoteError, ProbeStoppedError, UnsettledError) as error:
        return str(error)
    return "it was written, but a read shows another value"


def _still_wrong(
    run: ProbeRun, before: Originals, cells: Sequence[tuple[int, str]], pause: float
) -> list[tuple[int, str]]:
    fields = {field.key: field for field in run.place.fields}
    time.sleep(run.lag + pause)
    try:
        found = run.sender.read(dict.fromkeys(item for item, _ in cells))
    except (RemoteError, ProbeStoppedError):
        return list(cells)
    return [(item, key) for item, key in cells if not fields[key].shows(found.get(item), before.values[item, key])]
