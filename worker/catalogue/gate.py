"""What intake asks about every intent: as it goes to the remote system, or why it does not."""

import re
from collections.abc import Callable, Mapping

from feishu_batch.intents import UpdateIntent, is_real_project_key
from worker.catalogue.alone import UnclearError, intent_read_alone
from worker.catalogue.lane import LaneCatalogue
from worker.catalogue.models import Code, Refusal, RefusedError, UnavailableError, shown
from worker.catalogue.unresolved import SYSTEM_FIELDS, is_surely_key, perhaps_name

# What may be a key: all that the remote system's keys are made of. Anything else is a name, and cannot be sent.
_FIELD_KEY = re.compile(r"[A-Za-z0-9_-]{1,128}")
AS_KEY = 'an option as {"value": its id}, a person as the user key, a date in milliseconds'

# As intake sees it: the intent as it goes to the remote system, or why it does not.
Check = Callable[[UpdateIntent], UpdateIntent | Refusal]


class CatalogueGate:
    """`route(lane or None, project_key)` names an intent's lane, or raises ValueError; the first lane answers for all others.

    What is surely a key passes unchecked while nobody can look it up; what may be a name does not.
    """

    def __init__(
        self,
        lanes: Mapping[str, LaneCatalogue],
        route: Callable[[str | None, str], str],
        on_unchecked: Callable[[str], None] = lambda _reason: None,
    ) -> None:
        self._lanes = lanes
        self._route = route
        self._on_unchecked = on_unchecked

    def check(self, intent: UpdateIntent) -> UpdateIntent | Refusal:
        try:
            placed = intent if is_real_project_key(intent.project_key) else self._in_its_space(intent)
            lane = self._lane_of(placed)
            return placed if lane is None else self._checked(placed, lane)
        except RefusedError as error:
            return error.refusal

    def _checked(self, intent: UpdateIntent, lane: LaneCatalogue) -> UpdateIntent | Refusal:
        try:
            return lane.checked(intent)
        except UnavailableError as error:
            self._on_unchecked(str(error))
            return unchecked(intent, str(error), error.way_out)

    def _lane_of(self, intent: UpdateIntent) -> LaneCatalogue | None:
        """None: no lane takes it, which intake says better."""
        try:
            return self._lanes[self._route(intent.lane, intent.project_key)]
        except ValueError:
            return None

    def _in_its_space(self, intent: UpdateIntent) -> UpdateIntent:
        """Each credential sees other spaces: they are asked in turn."""
        named = self._lanes.get(intent.lane or "")
        chosen = [named] if named else list(self._lanes.values())
        trouble: UnavailableError | None = None
        for lane in chosen:
            try:
                key = lane.project_key(intent.project_key)
            except UnavailableError as error:
                trouble = trouble or error
                continue
            if key is not None and is_real_project_key(key):
                return intent.model_copy(update={"project_key": key})
        if trouble:
            told = _not_looked_up("space", intent.project_key, str(trouble), trouble.way_out("its key"))
            raise RefusedError(Code.CANNOT_RESOLVE, told)
        reason = (
            f"no space with the simple name {shown(intent.project_key)} is visible to the plugin; give its project key"
        )
        raise RefusedError(Code.UNKNOWN_SPACE, reason)


def without_catalogue(intent: UpdateIntent) -> UpdateIntent | Refusal:
    """For FEISHU_BATCH_CATALOGUE=off: whoever set it gives keys. What cannot be one is refused."""
    reason = "FEISHU_BATCH_CATALOGUE is off"
    if refused := _refused_name(intent, _FIELD_KEY.fullmatch, reason, "give its key"):
        return refused
    return _alone(intent, reason, "give it as JSON, in a JSON Lines file or from a program")


def unchecked(intent: UpdateIntent, reason: str, way_out: Callable[[str], str]) -> UpdateIntent | Refusal:
    """Nobody can look anything up. In a request a name may silently match nothing, or be stored as it stands."""
    if refused := _refused_name(intent, is_surely_key, reason, way_out("its key")):
        return refused
    read = _alone(intent, reason, way_out("it as JSON"))
    if isinstance(read, Refusal) or (word := perhaps_name(read)) is None:
        return read
    told = f"whether {shown(word)} is a name cannot be looked up ({reason}): {way_out(AS_KEY)}"
    return Refusal(Code.CANNOT_RESOLVE, told)


def _alone(intent: UpdateIntent, reason: str, way_out: str) -> UpdateIntent | Refusal:
    """What was written, where its meaning does not depend on the field's type."""
    try:
        return intent_read_alone(intent, SYSTEM_FIELDS.get(intent.field_key))
    except UnclearError as error:
        told = f"the type of the field cannot be looked up ({reason}), and {error}: {way_out}"
        return Refusal(Code.CANNOT_RESOLVE, told)


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
