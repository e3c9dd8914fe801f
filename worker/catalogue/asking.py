"""Questions to the remote system that nobody may be held up by: paced, each in a thread of its own, waited for only so long."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

import structlog

from worker.catalogue.models import UnavailableError
from worker.pacing.slots import Slots
from worker.remote.errors import BatchRefused, RateLimited, RemoteError, SpaceRefused, TokenRejected
from worker.remote.models import Token
from worker.remote.tokens import TokenSource

log = structlog.get_logger("feishu_batch.catalogue")

T = TypeVar("T")
Answer_co = TypeVar("Answer_co", covariant=True)

REASON_LENGTH = 200


class Question(Protocol[Answer_co]):
    """A method of the remote client that lacks nothing but its token."""

    def __call__(self, *, token: Token) -> Answer_co: ...


class Asker:
    """One lane's leave to ask. `paused` names the reason while the lane stands still."""

    def __init__(self, tokens: TokenSource, slots: Slots, paused: Callable[[], str | None], patience: float) -> None:
        self._tokens = tokens
        self._slots = slots
        self._paused = paused
        self._patience = patience

    def ask(self, question: Question[T]) -> T:
        """With a token, renewed once if it is refused. Raises `UnavailableError` or a `RemoteError`."""
        if (reason := self._paused()) is not None:
            raise UnavailableError(f"the lane is paused: {reason}")
        token = self._tokens.get()
        try:
            return self._in_a_slot(question, token)
        except TokenRejected:
            return self._in_a_slot(question, self._tokens.renew(token))

    def _in_a_slot(self, question: Question[T], token: Token) -> T:
        reservation = self._slots.take(ahead=self._patience)
        if reservation is None:
            raise UnavailableError("no slot became free in time")
        try:
            answer = question(token=token)
        except RateLimited:
            self._slots.settle(reservation, verdict="rejected")
            raise
        except BaseException:
            self._slots.settle(reservation, verdict="neutral")
            raise
        self._slots.settle(reservation, verdict="accepted")
        return answer


class Errands:
    """Runs look-ups beside the work, one at a time for each name. After one that nobody answered, none is tried for a while."""

    def __init__(
        self, wait: float, pause: float, clock: Callable[[], float] = time.monotonic, *, lane: str = ""
    ) -> None:
        """`wait`: seconds that `run` waits at most. `pause`: seconds without look-ups after one that failed."""
        self._lane = lane
        self._wait = wait
        self._pause = pause
        self._clock = clock
        self._lock = threading.Lock()
        self._running: dict[str, threading.Event] = {}
        self._failed: dict[str, tuple[str, float]] = {}  # name → reason, until when (monotonic); "" for the whole lane

    def run(self, name: str, errand: Callable[[], None]) -> None:
        """Have it done and wait a while. Raises `UnavailableError` if it failed, or is not done yet."""
        done = self._begin(name, errand)
        if not done.wait(self._wait):
            reason = f"no answer within {self._wait:g} s"
            self._note(reason, everything=True)  # whoever comes next is not to wait as well
            raise UnavailableError(reason)
        self._refuse_for_now(name)

    def start(self, name: str, errand: Callable[[], None]) -> None:
        """Have it done and wait for nothing."""
        try:
            self._begin(name, errand)
        except UnavailableError:
            return  # not now: what is known goes on serving

    def _begin(self, name: str, errand: Callable[[], None]) -> threading.Event:
        self._refuse_for_now(name)
        with self._lock:
            if name in self._running:
                return self._running[name]
            done = self._running[name] = threading.Event()
        threading.Thread(target=self._do, args=(name, errand, done), name=f"look up {name}", daemon=True).start()
        return done

    def _do(self, name: str, errand: Callable[[], None], done: threading.Event) -> None:
        try:
            with self._trouble_noted(name):
                errand()
        finally:
            with self._lock:
                del self._running[name]
            done.set()

    @contextmanager
    def _trouble_noted(self, name: str) -> Iterator[None]:
        try:
            yield
        except (SpaceRefused, BatchRefused) as error:  # about this one only
            self._note(str(error), name)
        except (RemoteError, UnavailableError) as error:
            self._note(str(error), everything=True)
        except Exception as error:  # Redis is away, or something of ours broke: the work goes on unchecked
            log.exception("catalogue.look_up_crashed", lane=self._lane, name=name)
            self._note(f"the look-up failed ({type(error).__name__})", name)

    def _note(self, reason: str, name: str = "", *, everything: bool = False) -> None:
        with self._lock:
            self._failed["" if everything else name] = (reason[:REASON_LENGTH], self._clock() + self._pause)
        # Once for all the intents that are taken unchecked until then: a line for each would be thousands a second.
        told = {"lane": self._lane, "name": name or None, "reason": reason[:REASON_LENGTH]}
        log.warning("catalogue.not_available", **told, unchecked_for=self._pause)

    def _refuse_for_now(self, name: str) -> None:
        for which in ("", name):
            reason, until = self._failed.get(which, ("", 0.0))
            if self._clock() < until:
                raise UnavailableError(reason)
            if until:
                with self._lock:
                    self._failed.pop(which, None)
