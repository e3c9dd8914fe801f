"""Resolves the names in an intent to cells, by the workers' latest look-ups. Sends no request."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol, TypeVar

from pydantic import TypeAdapter
from redis import Redis

from feishu_batch.intents import is_real_project_key
from worker.catalogue.lane_catalogue import Fields
from worker.catalogue.lookup import LookedUp, Shelf
from worker.catalogue.models import Catalogue, RefusedError
from worker.catalogue.naming import field_called
from worker.catalogue.unresolved import is_own_key
from worker.ledger.keys import LaneKeys
from worker.remote.models import Field

T = TypeVar("T")


class Words(Protocol):
    """The part of an intent that identifies its cells: by keys, or by names."""

    @property
    def project_key(self) -> str: ...
    @property
    def work_item_type_key(self) -> str: ...
    @property
    def field_key(self) -> str: ...


# (project key, field key) of an intent's names; None if not certain.
Meaning = Callable[[Words], tuple[str, str] | None]


def keys_only(words: Words) -> tuple[str, str] | None:
    """Without look-ups: keys mean themselves."""
    is_sure = is_real_project_key(words.project_key) and is_own_key(words.field_key)
    return (words.project_key, words.field_key) if is_sure else None


def as_written(words: Words) -> tuple[str, str]:
    """For FEISHU_BATCH_CATALOGUE=off: all words are sent unchanged."""
    return words.project_key, words.field_key


class Meanings:
    """`keys`: lane → its keys. Results are cached in this object, because thousands of intents use the same names."""

    def __init__(self, redis: Redis, keys: Mapping[str, LaneKeys]) -> None:
        self._redis = redis
        self._keys = keys
        self._fields: dict[str, Catalogue | None] = {}
        self._spaces: dict[str, str | None] = {}

    def meaning(self, words: Words) -> tuple[str, str] | None:
        project_key = self.project_key(words.project_key)
        if project_key is None:
            return None
        field = self._field(project_key, words.work_item_type_key, words.field_key)
        if field is not None:
            return project_key, field.key
        return (project_key, words.field_key) if is_own_key(words.field_key) else None

    def field_name(self, content: Mapping[str, object]) -> str | None:
        """Of `field_of`."""
        field = self.field_of(content)
        return field.name if field else None

    def field_of(self, content: Mapping[str, object]) -> Field | None:
        """The field of an intent's JSON shape, or of a row's cells; None if it was not looked up."""
        words = [content.get(name) for name in ("project_key", "work_item_type_key", "field_key")]
        space, type_key, word = (one if isinstance(one, str) else "" for one in words)
        project_key = self.project_key(space) if space else None
        return self._field(project_key, type_key, word) if project_key else None

    def field_key(self, project_key: str, type_key: str, word: str) -> str | None:
        """None: the type was not looked up, or the word is unknown or ambiguous there."""
        field = self._field(project_key, type_key, word)
        return field.key if field else None

    def catalogue(self, space: str, type_key: str) -> Catalogue | None:
        """None: no worker has looked it up."""
        project_key = self.project_key(space)
        return self._catalogue(f"{project_key} {type_key}") if project_key else None

    def _field(self, project_key: str, type_key: str, word: str) -> Field | None:
        """None: the type was not looked up, or the word is unknown or ambiguous."""
        catalogue = self._catalogue(f"{project_key} {type_key}")
        if catalogue is None:
            return None
        try:
            return field_called(catalogue, word)
        except RefusedError:
            return None

    def project_key(self, word: str) -> str | None:
        """None: a name that no worker has looked up."""
        if is_real_project_key(word):
            return word
        if word not in self._spaces:
            self._spaces[word] = self._shelved(word, LaneKeys.space, TypeAdapter(LookedUp[str]))
        return self._spaces[word]

    def _catalogue(self, name: str) -> Catalogue | None:
        if name not in self._fields:
            fields = self._shelved(name, LaneKeys.catalogue, TypeAdapter(LookedUp[Fields]))
            self._fields[name] = Catalogue(fields) if fields else None
        return self._fields[name]

    def _shelved(self, name: str, key_of: Callable[[LaneKeys, str], str], shape: TypeAdapter[LookedUp[T]]) -> T | None:
        """The newest entry of all lanes."""
        found = [Shelf(self._redis, partial(key_of, keys), shape).get([name]).get(name) for keys in self._keys.values()]
        return max((one for one in found if one), key=lambda one: one.at).value if any(found) else None
