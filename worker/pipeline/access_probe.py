"""A harmless read from the remote system, which shows whether the lane is refused, or only one space or user."""

from enum import StrEnum
from functools import partial
from typing import Protocol, TypeVar

from worker.pacing.reads import settled
from worker.pacing.slots import Slots
from worker.remote.client import RemoteClient
from worker.remote.errors import LaneStopped, NotExecuted, RemoteError, TokenRejected
from worker.remote.models import Token
from worker.remote.tokens import TokenSource

T = TypeVar("T")
Answer_co = TypeVar("Answer_co", covariant=True)

PATIENCE = 1.0  # seconds; the refused batch waits meanwhile


class ProbeCall(Protocol[Answer_co]):
    """A read of the remote client with all arguments except the token."""

    def __call__(self, *, token: Token) -> Answer_co: ...


class ProbeResult(StrEnum):
    LANE = "lane"  # the lane's own user is refused too, or no longer sees any space
    PLACE = "place"  # the lane's own user is accepted, but does not see the space
    SEEN = "seen"  # the lane's own user is accepted, and sees the space
    NOTHING = "nothing"  # no conclusive answer


class AccessProbe:
    def __init__(self, remote: RemoteClient, tokens: TokenSource, slots: Slots) -> None:
        self._remote = remote
        self._tokens = tokens
        self._slots = slots

    def space(self, project_key: str, accepted: str | None) -> ProbeResult:
        """Read the refused space and, in the same call, one that was accepted before."""
        keys = list(dict.fromkeys([project_key, *([accepted] if accepted else [])]))
        try:
            found = self._asked(partial(self._remote.projects_detail, keys))
        except (LaneStopped, TokenRejected):
            return ProbeResult.LANE
        except RemoteError:
            return ProbeResult.NOTHING
        seen = {project.project_key for project in found}
        if accepted and accepted not in seen:
            return ProbeResult.LANE
        return ProbeResult.SEEN if project_key in seen else ProbeResult.PLACE

    def own_user(self) -> ProbeResult:
        """Whether the token works for the lane's own user."""
        try:
            self._asked(self._remote.knows_own_user)
        except TokenRejected:
            return ProbeResult.LANE
        except LaneStopped:
            return ProbeResult.SEEN  # refused for a permission, or for the user: the token was accepted
        except RemoteError:
            return ProbeResult.NOTHING
        return ProbeResult.SEEN

    def _asked(self, question: ProbeCall[T]) -> T:
        token = self._tokens.get()
        reservation = self._slots.take(ahead=PATIENCE)
        if reservation is None:
            raise NotExecuted("no slot became free in time")
        with settled(self._slots, reservation):
            return question(token=token)
