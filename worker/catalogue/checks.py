"""Checks an intent against the catalogue of its item type, and replaces names by keys. Pure, except for looking up people."""

from collections.abc import Mapping
from datetime import tzinfo
from typing import Any

from feishu_batch.intents import UpdateIntent, UpdateMode
from feishu_batch.values import canonical_value
from worker.catalogue.field_context import FieldContext, People
from worker.catalogue.models import Catalogue, Code, RefusedError
from worker.catalogue.naming import field_called, named
from worker.catalogue.options import FieldOptions
from worker.catalogue.types import is_calculated, is_never_writable, modes_of
from worker.catalogue.values import taken
from worker.remote.answers import normalised_type
from worker.remote.equality import PROVABLE
from worker.remote.models import Field

MOST_REMEMBERED = 1000  # names of fields


class Checks:
    """For one catalogue. Caches the findings about a field, because thousands of intents use the same field."""

    def __init__(self, catalogue: Catalogue, people: People, zone: tzinfo) -> None:
        self.catalogue = catalogue
        self._people = people
        self._zone = zone
        self._targets: dict[str, tuple[FieldContext, frozenset[UpdateMode]]] = {}

    def checked(self, intent: UpdateIntent) -> UpdateIntent:
        """The intent in the API's form: the same object if nothing changed.

        Raises `RefusedError`, and `UnavailableError` if a necessary look-up is not answered.
        """
        context, modes = self._targets.get(intent.field_key) or self._found(intent.field_key)
        field = context.field
        if intent.update_mode not in modes:
            raise _no_such_mode(field, intent.update_mode)
        changes: dict[str, Any] = {} if field.key == intent.field_key else {"field_key": field.key}
        after = taken(context, intent.after_field_value)
        if after is not intent.after_field_value:
            changes["after_field_value"] = canonical_value(after)
        if intent.update_mode is UpdateMode.REPLACE:
            before = taken(self._replaced(context), intent.before_field_value)
            if before is not intent.before_field_value:
                changes["before_field_value"] = canonical_value(before)
        if intent.is_conditional:
            expected = self._expected(context, intent.expected_field_value)
            if expected is not intent.expected_field_value:
                changes["expected_field_value"] = canonical_value(expected)
        return intent.model_copy(update=changes) if changes else intent

    def type_of(self, field_key: str) -> str | None:
        field = self.catalogue.by_key.get(field_key)
        return field.type_key if field else None

    def _expected(self, context: FieldContext, written: Any) -> Any:
        if normalised_type(context.field.type_key) not in PROVABLE:
            raise RefusedError(
                Code.BAD_VALUE,
                f"{named(context.field)} is of type {context.field.type_key}, whose values cannot be compared: expected_field_value cannot be used",
            )
        return taken(self._replaced(context), written)

    def _found(self, word: str) -> tuple[FieldContext, frozenset[UpdateMode]]:
        field = field_called(self.catalogue, word)
        _refuse_unwritable(field)
        if len(self._targets) >= MOST_REMEMBERED:
            self._targets.clear()
        context = FieldContext(field, FieldOptions(field), self._people, self._zone)
        self._targets[word] = context, frozenset(modes_of(field))
        return self._targets[word]

    def _replaced(self, target: FieldContext) -> FieldContext:
        return FieldContext(target.field, target.options, self._people, self._zone, is_target=False)


def changed_parts(before: UpdateIntent, after: UpdateIntent) -> Mapping[str, tuple[Any, Any]]:
    """The resolved names: {part of the intent: (as given, as sent)}."""
    names = ("project_key", "field_key", "before_field_value", "after_field_value", "expected_field_value")
    pairs = {name: (getattr(before, name), getattr(after, name)) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _refuse_unwritable(field: Field) -> None:
    if field.is_obsolete:
        raise RefusedError(
            Code.OBSOLETE_FIELD, f"{named(field)} is obsolete: the remote system no longer stores values for it"
        )
    if is_calculated(field):
        raise RefusedError(Code.CALCULATED_FIELD, f"{named(field)} is calculated: change what it is calculated from")
    if is_never_writable(field):
        raise RefusedError(
            Code.NOT_WRITABLE, f"{named(field)} is of type {field.type_key}, which cannot be changed in bulk"
        )


def _no_such_mode(field: Field, mode: UpdateMode) -> RefusedError:
    allowed = ", ".join(modes_of(field))
    return RefusedError(
        Code.MODE_NOT_ALLOWED, f"{named(field)} is of type {field.type_key}, which allows {allowed}, not {mode}"
    )
