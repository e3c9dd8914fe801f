"""Where changes go, as the page shows it: the space and the item type for the link to an item, and the field by its name."""

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from worker.operating.intent_specs import specs_of
from worker.operating.meanings import Meanings, Words
from worker.operating.session import Session

NAMES_FOR: Final = 30.0  # seconds; then newer look-ups of the workers are read
REMEMBERED: Final = 5000  # intents

Place = dict[str, str]  # JSON: space, type, field; the field's key where no worker has looked up its name


class Places:
    def __init__(self, session: Session, clock: Callable[[], float] = time.monotonic) -> None:
        self._session, self._clock = session, clock
        self._of_intents: dict[str, Words] = {}
        self._renew()

    def _renew(self) -> None:
        self._meanings = Meanings(self._session.redis, self._session.lane_keys())
        self._read_at = self._clock()
        self._known: dict[tuple[str, str, str], Place] = {}

    def place(self, words: Words | None) -> Place | None:
        if words is None:
            return None
        if self._clock() - self._read_at > NAMES_FOR:
            self._renew()
        key = words.project_key, words.work_item_type_key, words.field_key
        if key not in self._known:
            content = dict(zip(("project_key", "work_item_type_key", "field_key"), key, strict=True))
            space, type_key, field_key = key
            name = self._meanings.field_name(content) or field_key
            self._known[key] = {"space": space, "type": type_key, "field": name}
        return self._known[key]

    def of_intents(self, intent_ids: Sequence[str]) -> dict[str, Place | None]:
        """None where the intent was not readable, or was forgotten. An intent is read once."""
        if len(self._of_intents) > REMEMBERED:
            self._of_intents.clear()
        unknown = [one for one in dict.fromkeys(intent_ids) if one not in self._of_intents]
        if unknown:
            self._of_intents |= {id_: one.spec for id_, one in specs_of(self._session.reads, unknown).items()}
        return {one: self.place(self._of_intents.get(one)) for one in intent_ids}

    def field_name(self, content: Any) -> str | None:
        return self._meanings.field_name(content)
