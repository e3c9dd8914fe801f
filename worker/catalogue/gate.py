"""The check of every intent at intake: the intent in the API's form, or the reason for its refusal."""

import re
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress

from feishu_batch.intents import UpdateIntent, is_real_project_key
from worker.catalogue.lane_catalogue import LaneCatalogue
from worker.catalogue.models import Code, Refusal, RefusedError, UnavailableError, shown
from worker.catalogue.unresolved import SYSTEM_FIELDS, is_surely_key, perhaps_name
from worker.catalogue.untyped import UnclearError, intent_read_alone

# The form of the remote system's keys. Anything else is a name, and cannot be sent.
FIELD_KEY = re.compile(r"[A-Za-z0-9_-]{1,128}")
AS_KEY = 'an option as {"value": its id}, a person as the user key, a date in milliseconds'

# The intent in the API's form, or the reason for its refusal.
Check = Callable[[UpdateIntent], UpdateIntent | Refusal]


class CatalogueGate:
    """`route(lane or None, project_key)` returns an intent's lane, or raises ValueError; the first lane looks up for all others.

    While look-ups are impossible, certain keys pass unchecked; possible names are refused.
    """

    def __init__(
        self,
        lanes: Mapping[str, LaneCatalogue],
        route: Callable[[str | None, str], str],
        on_unchecked: Callable[[str], None] = lambda _reason: None,
        refused: Collection[str] = (),
        *,
        texts_pass: bool = False,
    ) -> None:
        """`texts_pass`: unchecked, too, though one may be the label of an option."""
        self._lanes = lanes
        self._route = route
        self._on_unchecked = on_unchecked
        self._texts_pass = texts_pass
        self._refused = refused  # lanes that cannot be served, and so cannot be asked

    def check(self, intent: UpdateIntent) -> UpdateIntent | Refusal:
        try:
            placed = intent if is_real_project_key(intent.project_key) else self._in_its_space(intent)
            name = self._lane_of(placed)
            return placed if name is None else self._checked(placed, name)
        except RefusedError as error:
            return error.refusal

    def _checked(self, intent: UpdateIntent, lane: str) -> UpdateIntent | Refusal:
        try:
            if lane in self._refused:
                raise _not_served(lane)
            return self._lanes[lane].checked(intent)
        except UnavailableError as error:
            self._on_unchecked(str(error))
            return self._unchecked(intent, lane, error)

    def _unchecked(self, intent: UpdateIntent, lane: str, error: UnavailableError) -> UpdateIntent | Refusal:
        """Before it refuses an intent, it waits for a look-up that is only late."""
        read = unchecked(intent, str(error), error.way_out, texts_pass=self._texts_pass)
        if isinstance(read, Refusal) and lane in self._lanes and self._lanes[lane].late_answer_came():
            with suppress(UnavailableError):
                return self._lanes[lane].checked(intent)
        return read

    def _lane_of(self, intent: UpdateIntent) -> str | None:
        """None: no lane accepts it; intake reports that."""
        try:
            return self._route(intent.lane, intent.project_key)
        except ValueError:
            return None

    def _in_its_space(self, intent: UpdateIntent) -> UpdateIntent:
        """Each credential sees different spaces, so all are tried in turn."""
        named = self._lanes.get(intent.lane or "")
        chosen = [named] if named else list(self._lanes.values())
        trouble = _not_served(next(iter(self._refused))) if self._refused else None
        for lane in chosen:
            try:
                key = lane.project_key(intent.project_key)
            except UnavailableError as error:
                trouble = trouble or error
                continue
            if key is not None and is_real_project_key(key):
                return intent.model_copy(update={"project_key": key})
        if trouble:
            reason = _not_looked_up("space", intent.project_key, str(trouble), trouble.way_out("its key"))
            raise RefusedError(Code.CANNOT_RESOLVE, reason)
        reason = (
            f"no space with the simple name {shown(intent.project_key)} is visible to the plugin; give its project key"
        )
        raise RefusedError(Code.UNKNOWN_SPACE, reason)


def _not_served(lane: str) -> UnavailableError:
    return UnavailableError(f"the lane {lane} is not served: its settings are faulty", is_lane=True)


def without_catalogue(intent: UpdateIntent) -> UpdateIntent | Refusal:
    """For FEISHU_BATCH_CATALOGUE=off: producers give keys. A word that cannot be a key is refused."""
    reason = "FEISHU_BATCH_CATALOGUE is off"
    if refused := _refused_name(intent, FIELD_KEY.fullmatch, reason, "give its key"):
        return refused
    return _alone(intent, reason, "give it as JSON, in a JSON Lines file or from a program")


def unchecked(
    intent: UpdateIntent, reason: str, way_out: Callable[[str], str], *, texts_pass: bool = False
) -> UpdateIntent | Refusal:
    """For a time without look-ups. A name in a request may silently match nothing, or be stored as text."""
    if refused := _refused_name(intent, is_surely_key, reason, way_out("its key")):
        return refused
    read = _alone(intent, reason, way_out("it as JSON"))
    if isinstance(read, Refusal) or (word := _doubtful(intent, read, texts_pass)) is None:
        return read
    why = f"whether {shown(word)} is a name cannot be looked up ({reason}): {way_out(AS_KEY)}"
    return Refusal(Code.CANNOT_RESOLVE, why)


def _doubtful(written: UpdateIntent, read: UpdateIntent, texts_pass: bool) -> str | None:
    of_cells = None if texts_pass else perhaps_name(written)
    return of_cells or perhaps_name(read, texts_pass=texts_pass)


def _alone(intent: UpdateIntent, reason: str, way_out: str) -> UpdateIntent | Refusal:
    """The intent with converted values, if their meaning does not depend on the field's type."""
    try:
        return intent_read_alone(intent, SYSTEM_FIELDS.get(intent.field_key))
    except UnclearError as error:
        why = f"the type of the field cannot be looked up ({reason}), and {error}: {way_out}"
        return Refusal(Code.CANNOT_RESOLVE, why)


def _refused_name(
    intent: UpdateIntent, may_be_key: Callable[[str], object], reason: str, way_out: str
) -> Refusal | None:
    if not is_real_project_key(intent.project_key):
        return Refusal(Code.CANNOT_RESOLVE, _not_looked_up("space", intent.project_key, reason, way_out))
    if not may_be_key(intent.field_key):
        return Refusal(Code.CANNOT_RESOLVE, _not_looked_up("field", intent.field_key, reason, way_out))
    return None


def _not_looked_up(what: str, name: str, reason: str, way_out: str) -> str:
    return f"the {what} {shown(name)} cannot be looked up ({reason}): {way_out}"
