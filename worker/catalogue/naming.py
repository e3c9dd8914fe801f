"""Finds a field or option by key, alias or name; errors name similar and ambiguous ones."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from functools import lru_cache

from worker.catalogue.models import Catalogue, Code, RefusedError, folded, shown
from worker.catalogue.types import modes_of
from worker.remote.models import Field, ItemType

MOST_COMPARED = 1000  # names; each comparison takes a few microseconds
CLOSE_ENOUGH = 0.6  # difflib's usual measure
MOST_CANDIDATES = 5  # listed in a message


def field_called(catalogue: Catalogue, word: str) -> Field:
    """The key wins, then exact names and aliases, then those that differ in case and spaces. Raises `RefusedError`."""
    if (by_key := catalogue.by_key.get(word)) is not None:
        return by_key
    found = catalogue.by_name.get(word.strip()) or catalogue.by_folded_name.get(folded(word)) or ()
    # An obsolete field with the same name is ignored.
    meant = [field for field in found if modes_of(field)] or list(found)
    if not meant:
        raise RefusedError(Code.UNKNOWN_FIELD, f"the item type has no field {shown(word)}{_hint(catalogue, word)}")
    if len(meant) > 1:
        keys = listed(field.key for field in meant)
        raise RefusedError(Code.AMBIGUOUS, f"{len(meant)} fields are called {shown(word)}: {keys}; use the key")
    return meant[0]


def _hint(catalogue: Catalogue, word: str) -> str:
    near = nearest(word, catalogue.words)
    if near is None:
        return "; `feishu-batch fields` lists its fields"
    field = catalogue.by_key.get(near) or catalogue.by_name[near.strip()][0]
    return f"; the nearest is {named(field)}"


def named(field: Field) -> str:
    """For people: its name, with the key."""
    return f"{shown(field.name)} ({field.key})" if field.name and field.name != field.key else f"'{field.key}'"


def type_hint(word: str, types: Sequence[ItemType]) -> str | None:
    """A hint for an item type that the space does not have; None if it has it, or its types are unknown."""
    keys = [one.type_key for one in types if not one.is_disabled]
    if not keys or any(word in (one.type_key, one.api_name) for one in types):
        return None
    key_of = {name: one.type_key for one in types for name in (one.type_key, one.api_name, one.name) if name}
    near = nearest(word, tuple(name for name, key in key_of.items() if key in keys))
    return f"Did you mean {key_of[near]}?" if near else f"The types of this space are: {', '.join(keys)}."


@lru_cache(maxsize=1024)
def nearest(word: str, among: tuple[str, ...]) -> str | None:
    """The most similar of these, compared without case; None if nothing is similar."""
    forms = {folded(one): one for one in reversed(among[:MOST_COMPARED])}
    close = get_close_matches(folded(word), forms, n=1, cutoff=CLOSE_ENOUGH)
    return forms[close[0]] if close else None


def listed(words: Iterable[str]) -> str:
    every = list(words)
    more = f" and {len(every) - MOST_CANDIDATES} more" if len(every) > MOST_CANDIDATES else ""
    return ", ".join(every[:MOST_CANDIDATES]) + more
