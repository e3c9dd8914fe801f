"""Whose fault a refusal is that would stop the lane: the lane's own, or that of the intents that name the user or the space.

A lane that stops for one bad intent would keep everybody's waiting. So what may concern one user or one space only is
held against the lane when there is no sign that the lane works elsewhere, and against the intents when there is.
"""

from contextlib import suppress

import structlog
from redis.exceptions import RedisError

from worker.ledger.lane import Lane
from worker.ledger.records import Access, Batch
from worker.outcomes.step import advice_of, is_last_rejection
from worker.pipeline.probe import Finding, Probe
from worker.remote.errors import BatchRefused, LaneStopped, NotExecuted, RemoteError, SpaceRefused, TokenRejected

log = structlog.get_logger("feishu_batch.blame")

# Codes about the acting user, and codes about the access to something, be it the space's, the user's or the plugin's
# (several restatements). ERROR_CLASSES can move a code out of the class that stops the lane; then it never gets here.
USER_CODES = frozenset({10023, 10302, 20039, 20042, 30006})
ACCESS_CODES = frozenset({10301, 10404})
ENOUGH_REFUSALS = 5  # of one place in a row, with nothing accepted elsewhere meanwhile: then it is the lane
# Of one kind of request with one code, in a row: a batch of 50 and its halves, quarters and eighths. A bad item among good
# ones never comes so far, because its neighbours are accepted.
ENOUGH_UNLISTED = 15
REFUSALS_COUNT = 3600.0  # seconds
ACCEPTANCES_COUNT = 7 * 86400.0  # seconds; a lane may be idle over a holiday
NEXT_STEP = "Name a user who is there and may use the space, or none to act as the lane's own."


class Blame:
    """`own_user_key` acts where an intent names nobody."""

    def __init__(self, lane: Lane, own_user_key: str, probe: Probe) -> None:
        self._lane = lane
        self._own_user_key = own_user_key
        self._probe = probe

    def judged(self, batch: Batch, error: RemoteError) -> RemoteError:
        """The error as it is to be acted on: LaneStopped, or a token's last rejection, only where it is the lane's fault."""
        if isinstance(error, TokenRejected):
            return self._token(batch, error)
        if not isinstance(error, LaneStopped):
            return error
        if error.code in USER_CODES and self._names_a_user(batch):
            return SpaceRefused(f"{error.message}: user {batch.spec.user_key}. {NEXT_STEP}", **error.details)
        return self._access(batch, error) if error.code in ACCESS_CODES else error

    def recognised(self, batch: Batch, error: RemoteError) -> RemoteError:
        """A code that stands in no list may be one item's fault, until so many refusals in a row say that it is everybody's."""
        if not isinstance(error, BatchRefused) or not error.splittable or error.is_listed or error.code is None:
            return error
        try:
            row = self._lane.note_unlisted(kind_of(batch), error.code, REFUSALS_COUNT)
        except RedisError:  # no evidence; the next refusal will be noted
            return error
        if row < ENOUGH_UNLISTED:
            return error
        reason = f"{error.message} (the same code for {row} requests in a row, so it is no single item's fault; "
        reason += f'if it is, set FEISHU_BATCH_ERROR_CLASSES to {{"{error.code}": "item"}})'
        return BatchRefused(reason, is_listed=False, **error.details)

    def look_up_refused(self, error: LaneStopped) -> None:
        """A look-up acts as the lane's own user, whatever intent it is for: the lane pauses as for a submit.

        But not for access, which may be about one space only: there the submits give the evidence.
        """
        if error.code in ACCESS_CODES:
            return
        self._lane.pause(advice_of(error), polling=False)
        told = {"reason": str(error), "advice": error.advice}
        log.error("lane.paused", lane=self._lane.name, while_doing="a look-up", **told)

    def accepted(self, batch: Batch) -> None:
        """The lane works, here at least."""
        with suppress(RedisError):  # evidence only; the next acceptance is as good
            self._lane.forget_unlisted(kind_of(batch))
            self._lane.note_accepted(self._place(batch), ACCEPTANCES_COUNT, as_itself=not self._names_a_user(batch))

    def _token(self, batch: Batch, error: TokenRejected) -> RemoteError:
        """A code that means "no such token" is also the answer to a user key that the remote system does not take."""
        if not self._names_a_user(batch) or not is_last_rejection(batch, error):
            return error
        if self._probe.own_user() is not Finding.SEEN:
            return error
        reason = f"{error.message}: user {batch.spec.user_key}, while the lane's own user is answered. {NEXT_STEP}"
        return SpaceRefused(reason, **error.details)

    def _access(self, batch: Batch, error: LaneStopped) -> RemoteError:
        try:
            access = self._lane.note_refused(self._place(batch), ENOUGH_REFUSALS, REFUSALS_COUNT)
        except RedisError:  # no evidence; the next refusal will be noted
            access = Access(refusals=1)
        place = f"space {batch.spec.project_key} as user {self._user_of(batch)}"
        if 0 <= access.refusals < ENOUGH_REFUSALS:
            return NotExecuted(f"{error.message}: {place}, for the time being", **error.details)
        if access.refusals < 0 or self._is_the_places(batch, access):
            reason = f"{error.message}: {place}, while the lane itself works. "
            return SpaceRefused(reason + "Give the plugin and the user access to the space.", **error.details)
        advice = f"{error.advice} It was met in {place}: if only that is meant, cancel its intents instead."
        return LaneStopped(error.message, advice=advice, **error.details)

    def _is_the_places(self, batch: Batch, access: Access) -> bool:
        accepted = access.worked_at.split(" ")[0] if access.worked_at else None
        finding = self._probe.space(batch.spec.project_key, accepted)
        return is_the_places(access, finding, names_a_user=self._names_a_user(batch))

    def _names_a_user(self, batch: Batch) -> bool:
        return self._user_of(batch) != self._own_user_key

    def _user_of(self, batch: Batch) -> str:
        return batch.spec.user_key or self._own_user_key

    def _place(self, batch: Batch) -> str:
        return f"{batch.spec.project_key} {self._user_of(batch)}"


def kind_of(batch: Batch) -> str:
    """Requests that differ in their items and value only."""
    spec = batch.spec
    user = spec.user_key or "-"
    return f"{spec.project_key} {spec.work_item_type_key} {user} {spec.field_key} {spec.update_mode}"


def is_the_places(access: Access, finding: Finding, *, names_a_user: bool) -> bool:
    """Whether a place that was refused often enough is refused alone, so that the lane can go on without it."""
    if finding is Finding.LANE:
        return False
    if finding is Finding.PLACE:
        # A lane that knows one place only, and is shut out there, has lost all that it had: its work is kept.
        return access.worked_at is not None or not access.worked_here
    if access.worked_here:  # something was withdrawn, and nothing says that it was withdrawn here only
        return False
    if names_a_user and finding is Finding.SEEN:
        return True
    return access.worked_at is not None and not access.others
