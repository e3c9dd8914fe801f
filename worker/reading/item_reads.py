"""Reads items of one lane at the pace that the remote system allows. Read-backs, which share the slot, go first."""

import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Protocol, TypeVar

from worker.catalogue.lane_reading import SENDERS, ReadBacksFirst
from worker.catalogue.models import UnavailableError
from worker.catalogue.queries import QuerySender
from worker.ledger.lane import Lane
from worker.pacing.reads import more_in
from worker.pacing.slots import Slots
from worker.reading.wanted_cells import ReadPlace
from worker.remote.client import RemoteClient
from worker.remote.errors import BatchRefused, LaneStopped, NotExecuted, RateLimited, RemoteError, SpaceRefused
from worker.remote.models import ViewPage, WorkItem

_MOST_TRIES: Final = 4
_FIRST_PAUSE: Final = 0.3  # seconds after a transient error; it doubles
PATIENCE: Final = 30.0  # seconds until a slot opens
_MOST_FAILURES: Final = 3  # in a row, then nothing more is read

T = TypeVar("T", bound="ToRead")


class ToRead(Protocol):
    @property
    def place(self) -> ReadPlace: ...
    @property
    def items(self) -> Sequence[int]: ...
    @property
    def fields(self) -> Sequence[str]: ...


@dataclass(frozen=True, slots=True)
class ItemsRead:
    """Those that exist. `trouble`: why nothing could be read; then they may exist or not."""

    items: Mapping[int, WorkItem] = field(default_factory=dict)
    trouble: str = ""


class ItemReads:
    """`sender_of` makes the sender of one thread for its slots and its patience in seconds. `missing`: codes for an item that does not exist."""

    def __init__(
        self,
        lane: Lane,
        remote: RemoteClient,
        slots: Callable[[], Slots],
        sender_of: Callable[[Slots, float], QuerySender],
        missing: Collection[int],
    ) -> None:
        self._lane = lane
        self._remote = remote
        self._make_slots = slots
        self._sender_of = sender_of
        self._missing = missing
        self._own = threading.local()
        self._stopped = threading.Event()
        self._read_backs = ReadBacksFirst(lane)

    def read(self, place: ReadPlace, ids: Sequence[int], fields: Sequence[str]) -> list[WorkItem]:
        """The items that exist. Raises `UnavailableError` or a `RemoteError`."""
        for attempt in range(_MOST_TRIES):
            try:
                return self._asked(place, ids, fields)
            except (RateLimited, NotExecuted) as error:
                if attempt == _MOST_TRIES - 1 or self._stopped.wait(max(error.retry_after, _FIRST_PAUSE * 2**attempt)):
                    raise
            except BatchRefused as error:
                if len(ids) == 1 or error.code not in self._missing:
                    raise
                return self._by_halves(place, ids, fields)
        raise AssertionError

    def stop(self) -> None:
        """What is being read ends soon, with an error."""
        self._stopped.set()

    def _by_halves(self, place: ReadPlace, ids: Sequence[int], fields: Sequence[str]) -> list[WorkItem]:
        """Many missing items may need more requests than one call makes."""
        middle = len(ids) // 2
        return [*self.read(place, ids[:middle], fields), *self.read(place, ids[middle:], fields)]

    def _asked(self, place: ReadPlace, ids: Sequence[int], fields: Sequence[str]) -> list[WorkItem]:
        if not hasattr(self._own, "slots"):
            self._own.slots = self._make_slots()
            self._own.sender = self._sender_of(self._own.slots, PATIENCE)
        self._read_backs.wait()
        query = partial(
            self._remote.query_items,
            place.project_key,
            place.type_key,
            ids,
            fields,
            user_key=place.user_key or None,
            before_next_call=more_in(self._own.slots, PATIENCE),
        )
        found: list[WorkItem] = self._own.sender.ask(query, may_stop=False)
        return found


class ViewReads:
    """Reads the pages of a view, one after the other."""

    def __init__(self, remote: RemoteClient, sender: QuerySender) -> None:
        self._remote = remote
        self._sender = sender

    def page(self, project_key: str, view_id: str, number: int) -> ViewPage:
        """Raises `UnavailableError` or a `RemoteError`."""
        for attempt in range(_MOST_TRIES):
            try:
                return self._sender.ask(partial(self._remote.view_page, project_key, view_id, number), may_stop=False)
            except (RateLimited, NotExecuted) as error:
                if attempt == _MOST_TRIES - 1:
                    raise
                time.sleep(max(error.retry_after, _FIRST_PAUSE * 2**attempt))
        raise AssertionError


class ReadingRun:
    """Reads many, several at the same time, in their order. After trouble that would repeat, it stops asking."""

    def __init__(self, lanes: Mapping[str, ItemReads]) -> None:
        self._lanes = lanes
        self._given_up: dict[object, str] = {}  # lane name, or place → why
        self._failures: dict[str, int] = {}  # of a lane, in a row
        self._lock = threading.Lock()
        self.requests = 0
        self.failed = 0

    def read(self, wanted: Iterable[T]) -> Iterator[tuple[T, ItemsRead]]:
        pool = ThreadPoolExecutor(SENDERS, thread_name_prefix="read")
        waiting: deque[tuple[T, Future[ItemsRead]]] = deque()
        try:
            for one in wanted:
                waiting.append((one, pool.submit(self._answer, one)))
                if len(waiting) >= 2 * SENDERS:
                    yield self._first_of(waiting)
            while waiting:
                yield self._first_of(waiting)
        finally:
            for lane in self._lanes.values():
                lane.stop()
            pool.shutdown(cancel_futures=True)

    def _first_of(self, waiting: "deque[tuple[T, Future[ItemsRead]]]") -> tuple[T, ItemsRead]:
        one, answer = waiting.popleft()
        return one, answer.result()

    def _answer(self, one: ToRead) -> ItemsRead:
        lane = one.place.lane
        if lane not in self._lanes:
            return ItemsRead(trouble=f"its lane {lane} is not served: its settings are faulty")
        with self._lock:
            if why := self._given_up.get(lane) or self._given_up.get(one.place):
                return ItemsRead(trouble=why)
            self.requests += 1
        try:
            found = self._lanes[lane].read(one.place, one.items, one.fields)
        except (UnavailableError, RemoteError) as error:
            return ItemsRead(trouble=self._noted(one.place, error))
        with self._lock:
            self._failures[lane] = 0
        return ItemsRead({item.id: item for item in found})

    def _noted(self, place: ReadPlace, error: UnavailableError | RemoteError) -> str:
        why = f"could not be read: {_in_short(error)}"
        is_of_place = isinstance(error, SpaceRefused) or bool(place.user_key)  # another user may read the same
        with self._lock:
            self.failed += 1
            if is_of_place and isinstance(error, SpaceRefused | LaneStopped):
                self._given_up[place] = why
                return why
            self._failures[place.lane] = self._failures.get(place.lane, 0) + 1
            if isinstance(error, LaneStopped) or self._failures[place.lane] >= _MOST_FAILURES:
                self._given_up[place.lane] = why
        return why


def _in_short(error: UnavailableError | RemoteError) -> str:
    """Without what is different in each answer, so that equal reasons are counted together."""
    if isinstance(error, RemoteError):
        code = f" (code {error.code})" if error.code else ""
        return f"{error.message.rstrip('.')}{code}"
    return str(error)
