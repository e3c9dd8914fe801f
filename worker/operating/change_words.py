"""What intents write, with the names that the workers have looked up: fields, labels of options, dates. Asks only Redis."""

from collections.abc import Mapping
from typing import Any

from config.lookups import time_zone
from feishu_batch.written import untagged
from worker.catalogue.as_written import FieldWords
from worker.ledger.records import GroupSpec
from worker.operating.meanings import Meanings
from worker.operating.session import Session
from worker.remote.equality import is_empty_value
from worker.wording import as_json

EMPTY = "(empty)"
USUAL_MODE = "UPDATE"
LONGEST = 60  # characters of a value


class ChangeWords:
    """What was not looked up is shown as it is sent, by key and as JSON. People are shown by key: their addresses are not kept."""

    def __init__(self, session: Session, names: Meanings | None = None) -> None:
        self.names = names or Meanings(session.redis, session.lane_keys())
        self._zone = time_zone(session.settings.time_zone)

    def field(self, spec: GroupSpec | Mapping[str, Any]) -> str:
        content = _content(spec)
        return self.names.field_name(content) or str(content.get("field_key") or "")

    def value(self, spec: GroupSpec | Mapping[str, Any], value: Any, most: int = LONGEST) -> str:
        """In one line, cut to so many characters."""
        if is_empty_value(value):
            return EMPTY
        field = self.names.field_of(_content(spec))
        if field is None:
            return as_json(value, most)
        text = " ".join(FieldWords(field, self._zone).text(untagged(value), {}).split())
        return text if len(text) <= most else text[:most] + "…"

    def written(self, spec: GroupSpec | Mapping[str, Any], most: int = LONGEST) -> str:
        """The new value, behind the one that it takes the place of, and the mode if it is not the usual one."""
        content = _content(spec)
        mode, before = content.get("update_mode"), content.get("before_field_value")
        place = f"{self.value(spec, before, most)} → " if before is not None else ""
        value = self.value(spec, content.get("after_field_value"), most)
        return f"{'' if mode == USUAL_MODE else f'{mode} '}{place}{value}"

    def change(self, spec: GroupSpec | Mapping[str, Any], most: int = LONGEST) -> str:
        return f"{self.field(spec)}: {self.written(spec, most)}"


def _content(spec: GroupSpec | Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: getattr(spec, name) for name in GroupSpec.__slots__} if isinstance(spec, GroupSpec) else spec
