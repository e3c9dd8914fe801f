"""The cause of a refusal that would stop the lane: the lane itself, or the intents with that user or space.

A lane that stops for one bad intent would delay all others. So if the refusal may concern only one user or one space, the
intents fail if the lane works elsewhere; otherwise the lane stops.
"""

from contextlib import suppress

import structlog
from redis.exceptions import RedisError

from worker.decisions.step import advice_of, is_last_rejection
from worker.ledger.lane import Lane
from worker.ledger.records import Access, Batch
from worker.pipeline.access_probe import AccessProbe, ProbeResult
from worker.remote.errors import BatchRefused, LaneStopped, NotExecuted, RemoteError, SpaceRefused, TokenRejected

log = structlog.get_logger("feishu_batch.blame")

# Codes about the acting user, and codes about access, whether of the space, the user or the plugin
# (several restatements). ERROR_CLASSES can move a code out of the class that stops the lane; then it is not handled here.
USER_CODES = frozenset({10023, 10302, 20039, 20042, 30006})
ACCESS_CODES = frozenset({10301, 10404})
ENOUGH_REFUSALS = 5  # of one place in a row, without an acceptance elsewhere meanwhile: then the lane is the cause
# Of one kind of request with one code, in a row: a batch of 50 and its halves, quarters and eighths. A bad item among good
# ones never reaches this number, because its neighbours are accepted.
ENOUGH_UNLISTED = 15
REFUSALS_COUNT = 3600.0  # seconds
ACCEPTANCES_COUNT = 7 * 86400.0  # seconds; a lane may be idle over a holiday
NEXT_STEP = "Give an active user with access to the space, or none, to act as the lane's own user."


class Blame:
    """`own_user_key`: the acting user of intents without one."""

    def __init__(self, lane: Lane, own_user_key: str, probe: AccessProbe) -> None:
        self._lane = lane
        self._own_user_key = own_user_key
        self._probe = probe

    def judged(self, batch: Batch, error: RemoteError) -> RemoteError:
        """The error to act on: LaneStopped, or a token's last rejection, only if the lane is the cause."""
        if isinstance(error, TokenRejected):
            return self._token(batch, error)
        if not isinstance(error, LaneStopped):
            return error
        if error.code in USER_CODES and self._names_a_user(batch):
            return SpaceRefused(f"{error.message}: user {batch.spec.user_key}. {NEXT_STEP}", **error.details)
        return self._access(batch, error) if error.code in ACCESS_CODES else error

    def recognised(self, batch: Batch, error: RemoteError) -> RemoteError:
        """An unlisted code may be caused by one item, until many refusals in a row show that it concerns all items."""
        if not isinstance(error, BatchRefused) or not error.splittable or error.is_listed or error.code is None:
            return error
        try:
            row = self._lane.refusals.note_unlisted(kind_of(batch), error.code, REFUSALS_COUNT)
        except RedisError:  # no evidence now; the next refusal will be recorded
            return error
        if row < ENOUGH_UNLISTED:
            return error
        reason = f"{error.message} (the same code for {row} requests in a row, so a single item is not the cause; "
        reason += f'if it is, set FEISHU_BATCH_ERROR_CLASSES to {{"{error.code}": "item"}})'
        return BatchRefused(reason, is_listed=False, **error.details)

    def look_up_refused(self, error: LaneStopped) -> None:
        """A look-up acts as the lane's own user for every intent: a refusal pauses the lane, as for a submit.

        But not a refused access, which may concern one space only: for that, the submits give the evidence.
        """
        if error.code in ACCESS_CODES:
            return
        self._lane.pause(advice_of(error), polling=False)
        why = {"reason": str(error), "advice": error.advice}
        log.error("lane.paused", lane=self._lane.name, while_doing="a look-up", **why)

    def accepted(self, batch: Batch) -> None:
        """The lane works, at least here."""
        with suppress(RedisError):  # only evidence; the next acceptance is as good
            self._lane.refusals.forget_unlisted(kind_of(batch))
            self._lane.refusals.note_accepted(
                self._place(batch), ACCEPTANCES_COUNT, as_itself=not self._names_a_user(batch)
            )

    def _token(self, batch: Batch, error: TokenRejected) -> RemoteError:
        """The remote system also answers "no such token" for a user key that it does not accept."""
        if not self._names_a_user(batch) or not is_last_rejection(batch, error):
            return error
        if self._probe.own_user() is not ProbeResult.SEEN:
            return error
        reason = f"{error.message}: user {batch.spec.user_key}, while the lane's own user is accepted. {NEXT_STEP}"
        return SpaceRefused(reason, **error.details)

    def _access(self, batch: Batch, error: LaneStopped) -> RemoteError:
        try:
            access = self._lane.refusals.note_refused(self._place(batch), ENOUGH_REFUSALS, REFUSALS_COUNT)
        except RedisError:  # no evidence now; the next refusal will be recorded
            access = Access(refusals=1)
        place = f"space {batch.spec.project_key} as user {self._user_of(batch)}"
        if 0 <= access.refusals < ENOUGH_REFUSALS:
            return NotExecuted(f"{error.message}: {place}, temporarily", **error.details)
        if access.refusals < 0 or self._is_the_places(batch, access):
            reason = f"{error.message}: {place}, while the lane itself works. "
            return SpaceRefused(reason + "Give the plugin and the user access to the space.", **error.details)
        advice = f"{error.advice} It happened in {place}: if only that is affected, cancel its intents instead."
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
    """Requests that differ only in their items and value."""
    spec = batch.spec
    user = spec.user_key or "-"
    return f"{spec.project_key} {spec.work_item_type_key} {user} {spec.field_key} {spec.update_mode}"


def is_the_places(access: Access, finding: ProbeResult, *, names_a_user: bool) -> bool:
    """Whether only this place is refused, after enough refusals, so that the lane can continue without it."""
    if finding is ProbeResult.LANE:
        return False
    if finding is ProbeResult.PLACE:
        # A lane with only one place, which is refused there, has lost all access: its work is kept.
        return access.worked_at is not None or not access.worked_here
    if access.worked_here:  # a permission was withdrawn, and it is not known whether only here
        return False
    if names_a_user and finding is ProbeResult.SEEN:
        return True
    return access.worked_at is not None and not access.others
