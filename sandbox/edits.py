"""Edits by a person: a cell gets a value without any request."""

from typing import Any, Final

from sandbox import values
from sandbox.cells import CellKey, CellWrite
from sandbox.core import Sandbox
from sandbox.world import FieldDefinition, SandboxProject

A_PERSON: Final = "a person"  # in place of the task id in a cell's history


class EditError(ValueError):
    """The cell cannot get this value; the message says why."""


def edit(sandbox: Sandbox, project: Any, item_id: Any, field_key: Any, value: Any, at: float) -> None:
    """`project`: key or simple name; None: the first one. `value`: in the form of the API. Raises `EditError`."""
    place = _project(sandbox, project)
    field = _field(place, item_id, field_key)
    try:
        stored = values.shape(field, value)
    except values.BadValueError as error:
        raise EditError(f"{field.key} ({field.type_as_given}): {error}") from error
    if stored is values.Special.IGNORED or any(
        values.find_option(field.options, path) is None
        for path in (values.option_paths(stored) if field.type_key in values.OPTION_TYPES else ())
    ):
        raise EditError(f"{field.key} has no such option: {value}")
    cell = CellKey(place.key, item_id, field.key)
    sandbox.record(cell, CellWrite(at, stored, A_PERSON, order=0, applied=True))


def _project(sandbox: Sandbox, name: Any) -> SandboxProject:
    projects = sandbox.world.projects
    found = next(iter(projects.values())) if name is None else sandbox.world.project(str(name))
    if found is None:
        raise EditError(f"There is no space {name}.")
    return found


def _field(project: SandboxProject, item_id: Any, field_key: Any) -> FieldDefinition:
    item = project.item(item_id) if type(item_id) is int else None
    if item is None:
        raise EditError(f"There is no work item {item_id}.")
    field = project.field(str(field_key), item.type_key)
    if field is None:
        raise EditError(f"Work item {item_id} has no field {field_key}.")
    return field
