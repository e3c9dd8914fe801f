"""Look-ups in the remote system that must not block the work: paced, each in its own thread, with a bounded wait."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

import structlog

from worker.catalogue.models import RefusedError, UnavailableError
from worker.pacing.reads import settled
from worker.pacing.slots import Slots
from worker.remote.errors import (
    BatchRefused,
    LaneStopped,
    NotExecuted,
    OutcomeUnknown,
    RemoteError,
    SpaceRefused,
    TokenRejected,
)
from worker.remote.models import Token
from worker.remote.tokens import TokenSource

log = structlog.get_logger("feishu_batch.catalogue")

T = TypeVar("T")
Answer_co = TypeVar("Answer_co", covariant=True)

REASON_LENGTH = 200
PAUSED_FOR = 2.0  # seconds without look-ups while the lane is paused: after `resume`, intents should not wait long
REFUSED_FOR = 10.0  # seconds for which "does not exist" is cached

OnStopped = Callable[[LaneStopped], None]


class Query(Protocol[Answer_co]):
    """A method of the remote client with all arguments except the token."""

    def __call__(self, *, token: Token) -> Answer_co: ...


class QuerySender:
    """The look-ups of one lane. `paused`: the reason while the lane is paused; `on_stopped` may pause it."""

    def __init__(
        self,
        tokens: TokenSource,
        slots: Slots,
        paused: Callable[[], str | None],
        patience: float,
        on_stopped: OnStopped,
    ) -> None:
        self._tokens = tokens
        self._slots = slots
        self._paused = paused
        self._patience = patience
        self._on_stopped = on_stopped

    def ask(self, query: Query[T], *, may_stop: bool = True) -> T:
        """With a token, renewed once if it is refused. Raises `UnavailableError` or a `RemoteError`.

        `may_stop`: whether a refusal can only mean the lane itself, its plugin or its user.
        """
        self._refuse_if_paused()
        try:
            return self._asked(query)
        except LaneStopped as error:
            if may_stop:
                self._on_stopped(error)
            self._refuse_if_paused()  # so that the first caller gets the same error as the later ones
            raise

    def _refuse_if_paused(self) -> None:
        if (reason := self._paused()) is not None:
            raise UnavailableError(f"the lane is paused: {reason}", is_lane=True)

    def _asked(self, query: Query[T]) -> T:
        token = self._tokens.get()
        try:
            return self._in_a_slot(query, token)
        except TokenRejected:
            return self._in_a_slot(query, self._tokens.renew(token))

    def _in_a_slot(self, query: Query[T], token: Token) -> T:
        reservation = self._slots.take(ahead=self._patience)
        if reservation is None:
            raise UnavailableError("no slot became free in time")
        with settled(self._slots, reservation):
            return query(token=token)


class BackgroundQueries:
    """Runs look-ups in the background, one at a time for each name. After an unanswered look-up, none is tried for a while."""

    def __init__(
        self,
        wait: float,
        pause: float,
        clock: Callable[[], float] = time.monotonic,
        *,
        lane: str = "",
        is_logged: bool = True,
        on_result: Callable[[str | None], None] = lambda _error: None,
    ) -> None:
        """`wait`: seconds that `run` waits at most. `pause`: seconds without look-ups after one that failed.

        `is_logged`: False for callers that report the errors of `run` themselves. `on_result` gets the error of a look-up that
        concerns the whole lane, or None after one that was answered; it must not raise.
        """
        self._is_logged = is_logged
        self._on_result = on_result
        self._lane = lane
        self._wait = wait
        self._pause = pause
        self._clock = clock
        self._lock = threading.Lock()
        self._running: dict[str, threading.Event] = {}
        # name → (error, valid until (monotonic)); "" for the whole lane
        self._failed: dict[str, tuple[UnavailableError | RefusedError, float]] = {}

    def run(self, name: str, query: Callable[[], None]) -> None:
        """Run it and wait a while. Raises `UnavailableError` if it failed or has not finished, `RefusedError` if it raised that."""
        done = self._begin(name, query)
        if not done.wait(self._wait):
            late = UnavailableError(f"no answer within {self._wait:g} s", is_unanswered=True)
            self._note(late)  # the next caller should not wait again
            raise late
        self._refuse_for_now(name)

    def await_running(self, seconds: float) -> bool:
        """Waits for what is being looked up. Whether anything was, and all of it has its answer."""
        with self._lock:
            running = list(self._running.values())
        deadline = self._clock() + seconds
        return bool(running) and all(one.wait(max(0.0, deadline - self._clock())) for one in running)

    def start(self, name: str, query: Callable[[], None]) -> None:
        """Run it without waiting."""
        try:
            self._begin(name, query)
        except (UnavailableError, RefusedError):
            return  # not now: the cached values remain in use

    def _begin(self, name: str, query: Callable[[], None]) -> threading.Event:
        self._refuse_for_now(name)
        with self._lock:
            if name in self._running:
                return self._running[name]
            done = self._running[name] = threading.Event()
        threading.Thread(target=self._do, args=(name, query, done), name=f"look up {name}", daemon=True).start()
        return done

    def _do(self, name: str, query: Callable[[], None], done: threading.Event) -> None:
        try:
            with self._trouble_noted(name):
                query()
                self._on_result(None)
        finally:
            with self._lock:
                del self._running[name]
            done.set()

    @contextmanager
    def _trouble_noted(self, name: str) -> Iterator[None]:
        try:
            yield
        except RefusedError as error:
            with self._lock:
                self._failed[name] = (error, self._clock() + min(self._pause, REFUSED_FOR))
        except (SpaceRefused, BatchRefused) as error:  # concerns only this name
            self._note(UnavailableError(str(error)), name)
        except RemoteError as error:
            is_unanswered = isinstance(error, (NotExecuted, OutcomeUnknown))
            self._note(UnavailableError(str(error), is_unanswered=is_unanswered))
        except UnavailableError as error:
            self._note(error)
        except Exception as error:  # Redis does not answer, or a bug of ours: the work continues unchecked
            log.exception("catalogue.look_up_crashed", lane=self._lane, name=name)
            self._note(UnavailableError(f"the look-up failed ({type(error).__name__})"), name)

    def _note(self, error: UnavailableError, name: str = "") -> None:
        """`name`: the affected name; without it, the whole lane."""
        reason = str(error)[:REASON_LENGTH]
        pause = min(self._pause, PAUSED_FOR) if error.is_lane else self._pause
        with self._lock:
            noted = UnavailableError(reason, is_lane=error.is_lane, is_unanswered=error.is_unanswered)
            self._failed[name] = (noted, self._clock() + pause)
        if not (name or error.is_lane):  # the pause of the lane is shown anyway
            self._on_result(reason)
        if not self._is_logged:
            return
        # One line for all intents that are accepted unchecked until then: a line for each would be thousands a second.
        log.warning("catalogue.not_available", lane=self._lane, name=name or None, reason=reason, unchecked_for=pause)

    def _refuse_for_now(self, name: str) -> None:
        for which in ("", name):
            if (failed := self._failed.get(which)) is None:
                continue
            error, until = failed
            if self._clock() < until:
                raise _copied(error)
            with self._lock:
                self._failed.pop(which, None)


def _copied(error: UnavailableError | RefusedError) -> UnavailableError | RefusedError:
    """A copy for the next caller: an error that is raised repeatedly accumulates tracebacks."""
    if isinstance(error, RefusedError):
        return RefusedError(error.refusal.code, error.refusal.reason, is_name=error.is_name)
    return UnavailableError(str(error), is_lane=error.is_lane, is_unanswered=error.is_unanswered)
