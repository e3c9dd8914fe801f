"""Whether a field takes a value: the checks that both write endpoints make, and what is stored in the end."""

from collections.abc import Mapping
from typing import Any

from sandbox import errors, values
from sandbox.errors import ApiError
from sandbox.world import FieldDefinition, SandboxProject

LITERALS: Mapping[str, Any] = {"null": None, "text": "", "list": []}  # the empty values, by the words of an option


def shaped(field: FieldDefinition, value: Any, clears_with: tuple[str, ...], name: str) -> Any:
    """The value in stored form. `clears_with`: the empty values that are accepted; `name`: the value's key in the body."""
    if values.is_empty(value) and value not in [LITERALS[word] for word in clears_with]:
        raise ApiError(errors.INVALID_PARAM, f"{name} of {field.key}: {value!r} does not clear the field")
    try:
        return values.shape(field, value)
    except values.BadValueError as error:
        raise ApiError(errors.INVALID_PARAM, f"{name} of {field.key} ({field.type_as_given}): {error}") from error


def check_options(field: FieldDefinition, stored: Any) -> None:
    if field.type_key not in values.OPTION_TYPES:
        return
    for path in values.option_paths(stored):
        if values.find_option(field.options, path) is None:
            raise ApiError(errors.OPTION_UNKNOWN, f"{field.key}: {'/'.join(path)}")


def names_disabled_option(field: FieldDefinition, stored: Any) -> bool:
    if not field.options:
        return False
    found = [values.find_option(field.options, path) or [] for path in values.option_paths(stored)]
    return any(values.is_disabled(option) for along in found for option in along)


def related(project: SandboxProject, field: FieldDefinition, stored: Any) -> Any:
    """A relation to a missing item or one of the wrong type is silently accepted and stored as nothing."""
    if field.type_key not in values.RELATION_TYPES or stored is None:
        return stored

    def is_right(item_id: int) -> bool:
        item = project.item(item_id)
        return item is not None and field.related_type in (None, item.type_key)

    if isinstance(stored, list):
        return [i for i in stored if is_right(i)] or None
    return stored if is_right(stored) else None
