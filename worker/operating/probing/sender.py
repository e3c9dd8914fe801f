"""The requests of a probe: paced, counted, and noted so that values can be put back."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeVar
from uuid import uuid4

from redis.exceptions import RedisError

from worker.operating.probing.place import ProbePlace
from worker.operating.probing.sent import ProbeStoppedError, Sent, UnsettledError
from worker.pacing.slots import Reservation, Slots
from worker.pacing.spacing import Verdict
from worker.remote.client import RemoteClient
from worker.remote.errors import (
    NotExecuted,
    OutcomeUnknown,
    RateLimited,
    RemoteError,
    TokenRejected,
    Withheld,
    is_route_refused,
)
from worker.remote.models import BatchUpdate, ItemUpdate, JobReport, JobStatus, Token, WorkItem
from worker.remote.tokens import TokenSource

T = TypeVar("T")

MOST_REQUESTS: Final = 300  # then nothing more is probed; putting back is not counted
PATIENCE: Final = 30.0  # seconds until a slot opens
TRIES: Final = 5  # of a request that is refused by a limit, or that does not arrive
JOBS_END: Final = 60.0  # seconds
SINGLE_GAP: Final = 0.6  # seconds between single updates whose limit is not tested: right for two a second


@dataclass(frozen=True, slots=True)
class ProbeSlots:
    """The lane's own: the workers take turns with them."""

    submit: Slots
    poll: Slots
    read: Slots


@dataclass(slots=True)
class ProbeSender:
    """`clients`: several, because each has few connections. `keep_out` is called before each write: the workers compose no batch for a
    while. `second`: how long the remote system's second is; shorter in tests.
    """

    clients: Sequence[RemoteClient]
    tokens: TokenSource
    slots: ProbeSlots
    place: ProbePlace
    keep_out: Callable[[], None]
    second: float = 1.0
    requests: Counter[str] = field(default_factory=Counter)
    touched: dict[tuple[int, str], None] = field(default_factory=dict)  # (item, field key), in their order
    open_jobs: list[str] = field(default_factory=list)
    is_putting_back: bool = False  # then Redis may be away, and the number of requests has no bound
    may_be_late: bool = False  # a request without an answer may be executed later
    _next_single: float = 0.0
    _last_token: Token | None = None

    # --- writes

    def put(self, item: int, values: Mapping[str, Any], idem: str | None = None) -> Sent:
        """One single update, at a pace that hardly any limit refuses; what is refused nevertheless is sent again."""
        return self._until_taken(partial(self._paced_put, item, values, idem))

    def put_now(
        self, item: int, values: Mapping[str, Any], may_leave: Callable[[], bool], client: RemoteClient | None = None
    ) -> Sent:
        """One single update when `may_leave` returns, in spite of any limit. For several threads, each with a client of few threads."""
        update = ItemUpdate(self.place.project_key, self.place.type_key, item, tuple(values.items()))
        self._note([item], values)
        return self._write(
            "single",
            partial((client or self.clients[0]).update_item, update, idem_uuid=str(uuid4()), may_leave=may_leave),
        )

    def batch(self, items: Sequence[int], key: str, value: Any, mode: str = "UPDATE", idem: str | None = None) -> Sent:
        """One batch_update in a slot of the lane. Its job is polled by `drain`."""
        return self._until_taken(partial(self._paced_batch, items, key, value, mode, idem))

    def batch_pair(self, item: int, key: str, value: Any, gap: float) -> tuple[Sent, Sent]:
        """Two equal batch_updates, the second one `gap` seconds after the first, in spite of the limit. The slot stays closed for the workers."""
        slots = self.slots.submit
        reservation = self._taken(slots)
        first = self._submit([item], key, value, "UPDATE", None)
        leaves_at = (time.monotonic() if first.at is None else first.at) + gap
        second = self._submit([item], key, value, "UPDATE", None, lambda: _wait_until(leaves_at))
        self._settle(slots, reservation)
        if reservation is not None:
            slots.hold_off(reservation, 1.2 * self.second)
        return first, second

    def write(self, item: int, values: Mapping[str, Any], *, singly: bool) -> None:
        """By single updates if `singly`, else by batch. Raises `UnsettledError` if it is not accepted."""
        if singly:
            sent = [self.put(item, values)]
        else:
            sent = [self.batch([item], key, value) for key, value in values.items()]
            self.drain()
        for one in sent:
            if one.error is not None:
                raise UnsettledError(f"work item {item} cannot be written: {one.error}")

    # --- reads

    def poll(self, task_id: str) -> JobReport:
        return self._ask("poll", self.slots.poll, partial(self.clients[0].task_result, task_id))

    def drain(self, longest: float = JOBS_END) -> list[JobReport]:
        """The last report of each open job, once all have ended. One that is not known for 10 s, or does not end, is given up."""
        began, reports = time.monotonic(), []
        while self.open_jobs:
            report = self.poll(self.open_jobs[0])
            waited = time.monotonic() - began
            given_up = waited > (
                longest if report.status is not JobStatus.NOT_EXIST else min(longest, 10 * self.second)
            )
            if report.is_final or given_up:
                reports.append(report)
                self.open_jobs.pop(0)
                self.may_be_late |= not report.is_final
        return reports

    def read(self, items: Iterable[int], keys: Iterable[str] | None = None) -> dict[int, WorkItem]:
        fields = [one.key for one in self.place.fields] if keys is None else list(keys)
        place, wanted = self.place, list(items)

        query = partial(self.clients[0].query_items, place.project_key, place.type_key, wanted, fields)
        return {one.id: one for one in self._ask("read", self.slots.read, query)}

    # --- how

    def _paced_put(self, item: int, values: Mapping[str, Any], idem: str | None) -> Sent:
        _wait_until(self._next_single)
        self._next_single = time.monotonic() + SINGLE_GAP * self.second
        update = ItemUpdate(self.place.project_key, self.place.type_key, item, tuple(values.items()))
        self._note([item], values)
        return self._write("single", partial(self.clients[0].update_item, update, idem_uuid=idem or str(uuid4())))

    def _paced_batch(self, items: Sequence[int], key: str, value: Any, mode: str, idem: str | None) -> Sent:
        reservation = self._taken(self.slots.submit)
        sent = self._submit(items, key, value, mode, idem)
        self._settle(self.slots.submit, reservation, "rejected" if sent.is_limited else "neutral")
        return sent

    def _submit(
        self,
        items: Sequence[int],
        key: str,
        value: Any,
        mode: str,
        idem: str | None,
        may_leave: Callable[[], bool] | None = None,
    ) -> Sent:
        place = self.place
        update = BatchUpdate(place.project_key, place.type_key, tuple(items), key, mode, None, value, has_before=False)
        self._note(items, [key])
        submit = partial(self.clients[0].batch_update, update, idem_uuid=idem or str(uuid4()), may_leave=may_leave)
        sent = self._write("batch", submit)
        if sent.task_id and sent.task_id not in self.open_jobs:
            self.open_jobs.append(sent.task_id)
        return sent

    def _note(self, items: Iterable[int], keys: Iterable[str]) -> None:
        """Before the first byte leaves."""
        self.touched.update(dict.fromkeys((item, key) for item in items for key in keys))

    def _write(self, kind: str, send: Callable[..., Any]) -> Sent:
        with self._redis_may_be_away():
            self.keep_out()
        self._count(kind)
        try:
            answer = self._with_token(send)
        except RemoteError as error:
            self.may_be_late |= isinstance(error, OutcomeUnknown) and not is_route_refused(error)
            exchange = error.exchange
            return Sent(error, exchange.sent_at, exchange.answered_at) if exchange else Sent(error)
        return Sent(None, answer.exchange.sent_at, answer.exchange.answered_at, getattr(answer, "task_id", ""))

    def _until_taken(self, send: Callable[[], Sent]) -> Sent:
        sent = send()
        for _ in range(TRIES):
            if not isinstance(sent.error, RateLimited | NotExecuted | Withheld):
                break
            time.sleep(max(1.1 * self.second, sent.error.retry_after))
            sent = send()
        return sent

    def _ask(self, kind: str, slots: Slots, query: Callable[..., T]) -> T:
        for _ in range(TRIES):
            reservation = self._taken(slots)
            self._count(kind)
            try:
                return self._with_token(query)
            except (NotExecuted, RateLimited) as error:
                last: RemoteError = error
            finally:
                self._settle(slots, reservation)
        raise ProbeStoppedError(f"the remote system does not answer: {last}")

    def _with_token(self, send: Callable[..., T]) -> T:
        token = self._token()
        try:
            return send(token=token)
        except TokenRejected:
            return send(token=self.tokens.renew(token))

    def _token(self) -> Token:
        try:
            self._last_token = self.tokens.get()
        except RedisError:
            if self._last_token is None or not self.is_putting_back:
                raise
        return self._last_token

    def _taken(self, slots: Slots) -> Reservation | None:
        """None: Redis is away, and what was written must be put back nevertheless."""
        try:
            reservation = slots.take(ahead=PATIENCE)
        except RedisError:
            if not self.is_putting_back:
                raise
            time.sleep(1.1 * self.second)
            return None
        if reservation is None:
            raise ProbeStoppedError(f"no slot of the lane was free for {PATIENCE:g} s")
        return reservation

    def _settle(self, slots: Slots, reservation: Reservation | None, verdict: Verdict = "neutral") -> None:
        if reservation is not None:
            with self._redis_may_be_away():
                slots.settle(reservation, verdict=verdict)

    @contextmanager
    def _redis_may_be_away(self) -> Iterator[None]:
        try:
            yield
        except RedisError:
            if not self.is_putting_back:
                raise

    def _count(self, kind: str) -> None:
        if not self.is_putting_back and self.requests.total() >= MOST_REQUESTS:
            raise ProbeStoppedError(f"{MOST_REQUESTS} requests were sent")
        self.requests[kind] += 1


def _wait_until(at: float) -> bool:
    time.sleep(max(0.0, at - time.monotonic()))
    return True
