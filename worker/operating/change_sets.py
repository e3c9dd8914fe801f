"""Change sets as the commands show them: intents that belong together, such as those of one import."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

from feishu_batch.change_set import FailedChange
from feishu_batch.results import IntentState, Progress
from feishu_batch.set_reads import read_failures, read_progress
from worker.operating.errors import WrongUseError
from worker.operating.session import Session

CHUNK = 500  # intents per round trip


@dataclass(frozen=True, slots=True)
class SetView:
    """`forgotten`: intents whose records have expired. `grew_at`: unix seconds."""

    change_set: str
    intents: int
    ended: int
    forgotten: int
    progress: Progress
    grew_at: float | None = None

    @property
    def state(self) -> IntentState:
        return self.progress.state() if self.ended + self.forgotten == self.intents else IntentState.OPEN


def ids_of(session: Session, change_set: str) -> list[str]:
    """Raises `WrongUseError` for an unknown set."""
    found = session.reads.ids_of_set(change_set)
    if not found:
        raise WrongUseError(f"no change set is called {change_set!r}: `feishu-batch sets` lists those that are known")
    return found


def set_view(session: Session, change_set: str, grew_at: float | None = None) -> SetView:
    ids = ids_of(session, change_set)
    total, ended, forgotten = Progress(0), 0, 0
    for some in _parts(ids):
        for view in read_progress(session.redis, session.settings.key_prefix, some):
            if view is None:
                forgotten += 1
                continue
            ended += view.state.is_final
            total = _plus(total, view.progress)
    return SetView(change_set, len(ids), ended, forgotten, total, grew_at)


def newest_sets(session: Session, limit: int) -> list[SetView]:
    return [set_view(session, name, at) for name, at in session.reads.sets(limit)]


def failures_of(session: Session, change_set: str) -> Iterator[FailedChange]:
    for some in _parts(ids_of(session, change_set)):
        yield from read_failures(session.redis, session.settings.key_prefix, some)


def _parts(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), CHUNK):
        yield ids[start : start + CHUNK]


def _plus(one: Progress, other: Progress) -> Progress:
    return Progress(**{f.name: getattr(one, f.name) + getattr(other, f.name) for f in fields(Progress)})
