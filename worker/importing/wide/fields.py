"""What a table asks about its columns and cells: which field a column is, and what a cell means there."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Final, Protocol

from feishu_batch.intents import UpdateIntent, UpdateMode
from worker.catalogue.gate import Check
from worker.catalogue.models import Catalogue, Code, Refusal, RefusedError
from worker.catalogue.naming import field_called, named
from worker.catalogue.types import modes_of
from worker.catalogue.unresolved import is_surely_key

_NO_MODES: Final = "it is obsolete, calculated, or of a type that is never changed in bulk"


@dataclass(frozen=True, slots=True)
class Place:
    """Where the items of a row are, as the user wrote it."""

    space: str
    type_key: str


@dataclass(frozen=True, slots=True)
class FoundField:
    """`shown`: for people."""

    key: str
    shown: str


class NotAFieldError(Exception):
    """The column is no field that can be written; a clause. `is_doubt`: it cannot be looked up; `is_unanswered`: since Feishu
    Project does not answer, and the text is why.
    """

    def __init__(self, reason: str, *, is_doubt: bool = False, is_unanswered: bool = False) -> None:
        super().__init__(reason)
        self.is_doubt = is_doubt
        self.is_unanswered = is_unanswered


class UnansweredError(LookupError):
    """Feishu Project does not answer; the text is why."""


class PlaceError(Exception):
    """There is no such space or item type; a clause."""


class Fields(Protocol):
    def field(self, place: Place, word: str, mode: UpdateMode, *, is_named: bool) -> FoundField:
        """Raises `NotAFieldError`, `PlaceError`."""

    def meant(self, intent: UpdateIntent) -> UpdateIntent | Refusal:
        """The intent as it would be sent; unchanged if that cannot be looked up."""


class KnownFields:
    """`catalogue_of` gives the fields of a place; it raises `PlaceError`, and LookupError with the reason why they cannot be looked up."""

    def __init__(self, catalogue_of: Callable[[Place], Catalogue], check: Check) -> None:
        self._catalogue_of = cache(catalogue_of)
        self._check = check

    def field(self, place: Place, word: str, mode: UpdateMode, *, is_named: bool) -> FoundField:
        try:
            catalogue = self._catalogue_of(place)
        except UnansweredError as error:
            if is_named or is_surely_key(word):
                return _as_key(word)
            raise NotAFieldError(str(error), is_doubt=True, is_unanswered=True) from None
        except LookupError as error:
            return UnknownFields(str(error)).field(place, word, mode, is_named=is_named)
        try:
            found = field_called(catalogue, word)
        except RefusedError as error:
            raise NotAFieldError(error.refusal.reason) from None
        modes = modes_of(found)
        if not modes:
            raise NotAFieldError(f"{named(found)} cannot be written: {_NO_MODES}")
        if mode not in modes:
            raise NotAFieldError(
                f"{named(found)} is of type {found.type_key}, which takes {', '.join(modes)}, not {mode}"
            )
        return FoundField(found.key, named(found))

    def meant(self, intent: UpdateIntent) -> UpdateIntent | Refusal:
        """What cannot be looked up now is left to the worker that records the intent."""
        checked = self._check(intent)
        return intent if isinstance(checked, Refusal) and checked.code is Code.CANNOT_RESOLVE else checked


class UnknownFields:
    """Without a look-up: only words that are certainly keys are fields, and those that the user names with --field."""

    def __init__(self, reason: str, is_key: Callable[[str], object] = is_surely_key) -> None:
        self._reason = reason
        self._is_key = is_key

    def field(self, place: Place, word: str, mode: UpdateMode, *, is_named: bool) -> FoundField:  # noqa: ARG002 - as the protocol has it
        if is_named or self._is_key(word):
            return _as_key(word)
        reason = f"whether a field is called so cannot be looked up ({self._reason})"
        raise NotAFieldError(reason, is_doubt=True)

    def meant(self, intent: UpdateIntent) -> UpdateIntent | Refusal:
        return intent


def _as_key(word: str) -> FoundField:
    return FoundField(word, f"'{word}'")


def no_lookup() -> Fields:
    return UnknownFields("there is no connection to Feishu Project")
