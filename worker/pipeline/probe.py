"""Asks the remote system something harmless, to learn whether it is the lane that is refused or one space or user only."""

from enum import StrEnum
from functools import partial
from typing import Protocol, TypeVar

from worker.pacing.slots import Slots
from worker.remote.client import RemoteClient
from worker.remote.errors import LaneStopped, NotExecuted, RemoteError, TokenRejected
from worker.remote.models import Token
from worker.remote.tokens import TokenSource

T = TypeVar("T")
Answer_co = TypeVar("Answer_co", covariant=True)

PATIENCE = 1.0  # seconds; the batch whose refusal asks for it is kept meanwhile


class Question(Protocol[Answer_co]):
    """A read of the remote client that lacks nothing but its token."""

    def __call__(self, *, token: Token) -> Answer_co: ...


class Finding(StrEnum):
    LANE = "lane"  # the lane's own user is refused as well, or sees no space any more
    PLACE = "place"  # the lane's own user is answered, and the space is not among those it sees
    SEEN = "seen"  # the lane's own user is answered, and sees the space
    NOTHING = "nothing"  # no answer that tells


class Probe:
    def __init__(self, remote: RemoteClient, tokens: TokenSource, slots: Slots) -> None:
        self._remote = remote
        self._tokens = tokens
        self._slots = slots

    def space(self, project_key: str, accepted: str | None) -> Finding:
        """Ask for the space that was refused and, in the same call, for one that was accepted before."""
        keys = list(dict.fromkeys([project_key, *([accepted] if accepted else [])]))
        try:
            found = self._asked(partial(self._remote.projects_detail, keys))
        except (LaneStopped, TokenRejected):
            return Finding.LANE
        except RemoteError:
            return Finding.NOTHING
        seen = {project.project_key for project in found}
        if accepted and accepted not in seen:
            return Finding.LANE
        return Finding.SEEN if project_key in seen else Finding.PLACE

    def own_user(self) -> Finding:
        """Whether the token is good where the lane's own user acts."""
        try:
            self._asked(self._remote.knows_own_user)
        except TokenRejected:
            return Finding.LANE
        except LaneStopped:
            return Finding.SEEN  # refused for a permission, or for the user: the token was good
        except RemoteError:
            return Finding.NOTHING
        return Finding.SEEN

    def _asked(self, question: Question[T]) -> T:
        token = self._tokens.get()
        reservation = self._slots.take(ahead=PATIENCE)
        if reservation is None:
            raise NotExecuted("no slot became free in time")
        try:
            return question(token=token)
        finally:
            self._slots.settle(reservation, verdict="neutral")
