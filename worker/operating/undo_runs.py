"""Which change set an undo is. A set that was put back and then written again can be undone again, as another set."""

from collections.abc import Collection, Sequence
from hashlib import blake2b
from typing import Final

from feishu_batch.change_set import SetCounts
from worker.operating.change_sets import known_set
from worker.operating.retry.decision import Cell
from worker.operating.retry.sources import retry_reader
from worker.operating.session import Session

LONGEST_ID: Final = 64  # characters of a change set's id
MOST_LOOKED_AT: Final = 20_000  # later intents, two seconds at most; behind more, each cell counts as written again


def run_id(change_set: str, run: int = 1) -> str:
    """`run`: 1 for the first undo. A number at the end would make the first undo of another set of it."""
    kind = "undo-" if run == 1 else f"undo{run}-"
    name = f"{kind}{change_set}"
    return name if len(name) <= LONGEST_ID else f"{kind}{blake2b(change_set.encode(), digest_size=16).hexdigest()}"


def known_runs(session: Session, change_set: str) -> list[SetCounts]:
    """The undos of the set so far, oldest first."""
    found: list[SetCounts] = []
    while run := known_set(session, run_id(change_set, len(found) + 1)):
        found.append(run)
    return found


class LaterRuns:
    """After the first one. `runs`: at least one."""

    def __init__(self, session: Session, change_set: str, runs: Sequence[SetCounts]) -> None:
        self._session, self._change_set, self._runs = session, change_set, runs
        self._numbers = [session.reads.numbers_of_set(run.change_set) for run in runs]

    @property
    def own(self) -> set[int]:
        """Numbers of all their intents."""
        return {number for numbers in self._numbers for number in numbers}

    def choose(self, cells: Collection[Cell]) -> tuple[str, Collection[Cell]]:
        """The id of the run, and which of the cells are part of it: as long as nothing wrote to them since the newest run, it is that one,
        with the same cells as then.
        """
        *_, newest = self._runs
        if newest.is_over and (again := self._written(cells, self._begin(-1), None)):
            return run_id(self._change_set, len(self._runs) + 1), again
        same = cells if len(self._runs) == 1 else self._written(cells, self._begin(-2), self._begin(-1))
        return newest.change_set, same

    def _begin(self, run: int) -> int:
        return min(self._numbers[run], default=0)

    def _written(self, cells: Collection[Cell], first: int, last: int | None) -> Collection[Cell]:
        """Those that another intent wrote, or will write, that was enqueued after `first` and before `last`."""
        if self._session.reads.newest_number() - first > MOST_LOOKED_AT:
            return cells
        later = retry_reader(self._session).after(first + 1, frozenset(cells))
        own = self.own
        return {
            cell
            for cell, writes in later.touches.items()
            if any(one.stands and one.number not in own and (last is None or one.number < last) for one in writes)
        }
