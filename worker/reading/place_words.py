"""Names and labels for what was read: of fields, of options, of people."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import tzinfo
from typing import Any

from worker.catalogue.as_written import FieldWords, as_text, people_of
from worker.catalogue.lane_catalogue import LaneCatalogue
from worker.catalogue.models import RefusedError, UnavailableError
from worker.reading.wanted_cells import ReadPlace
from worker.remote.compare import ABSENT
from worker.remote.errors import RemoteError

MOST_PEOPLE = 20_000  # whose addresses are kept


class PlaceWords:
    """For one thread. What cannot be looked up is shown by its key."""

    def __init__(self, lanes: Mapping[str, LaneCatalogue], zone: tzinfo) -> None:
        self._lanes = lanes
        self.zone = zone
        self._fields: dict[tuple[str, str, str], Mapping[str, FieldWords]] = {}
        self.emails: dict[str, str] = {}
        self._key_of: dict[str, str | None] = {}  # address → key; None: of several people

    def words_of(self, place: ReadPlace, field_key: str) -> FieldWords | None:
        """None: the field could not be looked up."""
        where = (place.lane, place.project_key, place.type_key)
        if where not in self._fields:
            self._fields[where] = self._looked_up(place)
        return self._fields[where].get(field_key)

    def type_of(self, place: ReadPlace, field_key: str) -> str | None:
        words = self.words_of(place, field_key)
        return words.field.type_key if words else None

    def name_of(self, place: ReadPlace, field_key: str) -> str:
        words = self.words_of(place, field_key)
        return words.field.name or field_key if words else field_key

    def learn_people(self, place: ReadPlace, values: Iterable[tuple[str, Any]]) -> None:
        """Looks up the addresses of the people in (field key, value), all together."""
        found = dict.fromkeys(
            key
            for field_key, value in values
            if value is not ABSENT and (words := self.words_of(place, field_key))
            for key in people_of(words.field, value)
        )
        if missing := [key for key in found if key not in self.emails]:
            if len(self.emails) > MOST_PEOPLE:
                self.emails.clear()
                self._key_of.clear()
                missing = list(found)
            self.emails |= dict.fromkeys(missing, "")  # not asked again
            with suppress(UnavailableError, RemoteError):
                if lane := self._lanes.get(place.lane):
                    self._learn(lane.emails_of(missing))

    def _learn(self, emails: Mapping[str, str]) -> None:
        self.emails |= emails
        for key, email in emails.items():
            self._key_of[email] = key if self._key_of.get(email, key) == key else None

    def key_of(self, email: str) -> str | None:
        """Of one person that was read; None if that is not certain."""
        return self._key_of.get(email)

    def text(self, place: ReadPlace, field_key: str, value: Any) -> str:
        """Of a value that is there; empty for an empty one."""
        words = self.words_of(place, field_key)
        if words is None:
            return "" if value is None or value in ("", []) else as_text(value)
        return words.text(value, self.emails)

    def _looked_up(self, place: ReadPlace) -> Mapping[str, FieldWords]:
        lane = self._lanes.get(place.lane)  # None: its settings are faulty
        if lane is None:
            return {}
        with suppress(UnavailableError, RefusedError):
            catalogue, _ = lane.fields(place.project_key, place.type_key)
            return {field.key: FieldWords(field, self.zone) for field in catalogue.fields}
        return {}
