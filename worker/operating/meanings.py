"""Which cells the words of an intent mean, by what the workers looked up last. Asks the remote system nothing."""

from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

from pydantic import TypeAdapter
from redis import Redis

from feishu_batch.intents import is_real_project_key
from worker.catalogue.lane import Fields
from worker.catalogue.lookup import Known, Shelf
from worker.catalogue.models import Catalogue, RefusedError
from worker.catalogue.naming import field_called
from worker.catalogue.unresolved import is_own_key
from worker.remote.models import Field

T = TypeVar("T")


class Words(Protocol):
    """The part of an intent that says where it writes: by keys, or by names."""

    @property
    def project_key(self) -> str: ...
    @property
    def work_item_type_key(self) -> str: ...
    @property
    def field_key(self) -> str: ...


# (project key, field key) that an intent's words mean; None where nobody can say for sure.
Meaning = Callable[[Words], tuple[str, str] | None]


def keys_only(words: Words) -> tuple[str, str] | None:
    """Without any knowledge: keys mean themselves."""
    is_sure = is_real_project_key(words.project_key) and is_own_key(words.field_key)
    return (words.project_key, words.field_key) if is_sure else None


def as_written(words: Words) -> tuple[str, str]:
    """For FEISHU_BATCH_CATALOGUE=off: all words are sent as they stand."""
    return words.project_key, words.field_key


class Meanings:
    """`keys`: lane → `Lane.key`. Kept for the life of this object, since thousands of intents use the same words."""

    def __init__(self, redis: Redis, keys: Mapping[str, Callable[[str], str]]) -> None:
        self._redis = redis
        self._keys = keys
        self._fields: dict[str, Catalogue | None] = {}
        self._spaces: dict[str, str | None] = {}

    def meaning(self, words: Words) -> tuple[str, str] | None:
        project_key = self._project_key(words.project_key)
        if project_key is None:
            return None
        field = self._field(project_key, words.work_item_type_key, words.field_key)
        if field is not None:
            return project_key, field.key
        return (project_key, words.field_key) if is_own_key(words.field_key) else None

    def field_name(self, content: Mapping[str, object]) -> str | None:
        """What people call the field of an intent's JSON shape, or of a row's cells; None where nobody has looked it up."""
        words = [content.get(name) for name in ("project_key", "work_item_type_key", "field_key")]
        space, type_key, word = (one if isinstance(one, str) else "" for one in words)
        project_key = self._project_key(space) if space else None
        field = self._field(project_key, type_key, word) if project_key else None
        return field.name if field else None

    def _field(self, project_key: str, type_key: str, word: str) -> Field | None:
        """None: nobody has looked the type up, or the word is unknown or ambiguous there."""
        catalogue = self._catalogue(f"{project_key} {type_key}")
        if catalogue is None:
            return None
        try:
            return field_called(catalogue, word)
        except RefusedError:
            return None

    def _project_key(self, word: str) -> str | None:
        if is_real_project_key(word):
            return word
        if word not in self._spaces:
            self._spaces[word] = self._shelved(f"space:{word}", TypeAdapter(Known[str]))
        return self._spaces[word]

    def _catalogue(self, name: str) -> Catalogue | None:
        if name not in self._fields:
            fields = self._shelved(f"catalogue:{name}", TypeAdapter(Known[Fields]))
            self._fields[name] = Catalogue(fields) if fields else None
        return self._fields[name]

    def _shelved(self, name: str, shape: TypeAdapter[Known[T]]) -> T | None:
        """The newest of what the lanes know."""
        found = [Shelf(self._redis, key, shape).get([name]).get(name) for key in self._keys.values()]
        return max((one for one in found if one), key=lambda one: one.at).value if any(found) else None
