"""`PUT /open_api/{project_key}/work_item/{type}/{id}`: several fields of one item, written before the answer."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from sandbox import errors, values
from sandbox.cells import CellKey, CellWrite
from sandbox.core import LoggedCall, LostValue, Sandbox, SingleUpdate
from sandbox.errors import ApiError
from sandbox.fields import check_options, names_disabled_option, related, shaped
from sandbox.reads import project_in_path, type_in_path
from sandbox.single_rules import ALLOWED, DROP, ITEM, PREFIX
from sandbox.world import FieldDefinition, Item, SandboxProject

# The scenes with which an item fails in a job, as the codes of this endpoint; any other is an interception.
_REFUSALS = {"WorkItemTerminated": errors.ITEM_TERMINATED, "NoPermissionToModify": errors.ITEM_FORBIDDEN}
_FORGIVEN = frozenset(
    {"schedule", "precise_date", "compound_field"}
)  # a malformed value stores nothing, and is no error


def update_item(sandbox: Sandbox, call: LoggedCall) -> dict[str, Any]:
    rules = sandbox.single_rules
    if rules.access != ALLOWED:
        raise ApiError(errors.CLOSED_ENDPOINT[rules.access])
    key = (call.token, "update_item", call.idem)
    return sandbox.uuids.once(key, rules.uuid, call.at, partial(_execute, sandbox, call))


def execute_later(sandbox: Sandbox, call: LoggedCall, seconds: float) -> None:
    """A request that a gateway gave up on: it is executed later, and a repeat is not recognised."""

    def execute(at: float) -> None:
        with suppress(ApiError):
            update_item(sandbox, replace(call, at=at, headers={**call.headers, "x-idem-uuid": ""}))

    sandbox.agenda.add(call.at + seconds, execute)


def _execute(sandbox: Sandbox, call: LoggedCall) -> dict[str, Any]:
    project, type_key = project_in_path(sandbox, call), type_in_path(sandbox, call)
    item = _item(sandbox, project, type_key, call.path["item_id"])
    asked = _asked(project, type_key, call.body())
    written, refusal = _sorted_out(sandbox, project, type_key, asked)
    if written:
        _accept(sandbox, call, project, item, written, len(asked))
    if refusal:
        raise refusal
    return {}


def _item(sandbox: Sandbox, project: SandboxProject, type_key: str, given: str) -> Item:
    item = project.item(int(given)) if given.isdecimal() else None
    if item is None and given.isdecimal() and any(p.item(int(given)) for p in sandbox.world.projects.values()):
        raise ApiError(errors.ITEM_ELSEWHERE)
    if item is None or item.type_key != type_key:
        raise ApiError(errors.ITEM_NOT_FOUND)
    errors.refuse_by_code(item.poison)
    if item.refuse:
        raise ApiError(_REFUSALS.get(item.refuse, errors.INTERCEPTED), item.refuse)
    return item


def _asked(project: SandboxProject, type_key: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Field key → value as given, in the order of the request."""
    rows = body.get("update_fields")
    if not isinstance(rows, list) or not rows or any(not isinstance(row, dict) for row in rows):
        raise ApiError(errors.INVALID_PARAM, "update_fields is a list of objects")
    asked: dict[str, Any] = {}
    for row in rows:
        key = _key(project, type_key, row)
        if "field_value" not in row:
            raise ApiError(errors.INVALID_PARAM, f"field_value of {key} is missing; null clears the field")
        if key in asked:
            raise ApiError(errors.FIELD_TWICE, key)
        asked[key] = row["field_value"]
    return asked


def _key(project: SandboxProject, type_key: str, row: Mapping[str, Any]) -> str:
    key, alias = row.get("field_key"), row.get("field_alias")
    if isinstance(key, str) and key:
        return key
    if not isinstance(alias, str) or not alias:
        raise ApiError(errors.INVALID_PARAM, "field_key or field_alias is needed")
    return next((field.key for field in project.fields_of(type_key) if field.alias == alias), alias)


def _sorted_out(
    sandbox: Sandbox, project: SandboxProject, type_key: str, asked: Mapping[str, Any]
) -> tuple[dict[str, Any], ApiError | None]:
    """What is written, and the refusal that the client gets in spite of it or instead."""
    good: dict[str, Any] = {}
    refusal = None
    for key, value in asked.items():
        try:
            good[key] = _stored(sandbox, project, project.field(key, type_key), key, value)
        except ApiError as error:
            refusal = refusal or error
            if sandbox.single_rules.bad_field != DROP:
                break
    if refusal is None or (sandbox.single_rules.bad_field == DROP and good):
        return good, None
    return (good if sandbox.single_rules.bad_field == PREFIX else {}), refusal


def _stored(sandbox: Sandbox, project: SandboxProject, field: FieldDefinition | None, key: str, value: Any) -> Any:
    if field is None:
        raise ApiError(errors.FIELD_NOT_FOUND, key)
    if field.is_calculated:
        raise ApiError(errors.INTERCEPTED, f"{key} is calculated")
    if values.UPDATE not in values.modes_of(field):
        raise ApiError(errors.FIELD_UNUSABLE, key)
    try:
        stored = shaped(field, value, sandbox.settings.clears_with, "field_value")
    except ApiError:
        if field.type_key in _FORGIVEN and not values.is_empty(value):
            return values.Special.IGNORED
        raise
    check_options(field, stored)
    if names_disabled_option(field, stored):
        raise ApiError(errors.OPTION_UNKNOWN, f"{key}: the option is disabled")
    return related(project, field, stored)


def _accept(
    sandbox: Sandbox, call: LoggedCall, project: SandboxProject, item: Item, written: Mapping[str, Any], n_fields: int
) -> None:
    rules = sandbox.single_rules
    update = SingleUpdate(
        order=sandbox.next_order(),
        project_key=project.key,
        type_key=item.type_key,
        item_id=item.id,
        values=written,
        n_fields=n_fields,
        arrived_at=call.at,
        done_at=call.at + rules.seconds,
        user_key=call.user_key,
        idem=call.idem,
    )
    sandbox.singles.append(update)
    others = {}
    if rules.writes == ITEM:
        keys = [field.key for field in project.fields_of(item.type_key) if field.key not in written]
        others = {key: sandbox.present(project, item, key) for key in keys}
    sandbox.agenda.add(update.done_at, partial(_land, sandbox, update, others))
    sandbox.agenda.advance(call.at)


def _land(sandbox: Sandbox, update: SingleUpdate, others: Mapping[str, Any], at: float) -> None:
    """`others`: the values that the update's other fields had when it arrived, if it writes the whole item."""
    project = sandbox.world.projects[update.project_key]
    item = project.item(update.item_id)
    assert item is not None  # noqa: S101 for the type checker: worlds do not change
    for key, value in update.values.items():
        done = values.write(values.UPDATE, "", sandbox.present(project, item, key), None, value)
        touch = CellWrite(at, done.value, update.name, update.order, done.applied, done.reason)
        sandbox.record(CellKey(project.key, item.id, key), touch)
    for key, value in others.items():
        present = sandbox.present(project, item, key)
        if values.identity(present) != values.identity(value):
            cell = CellKey(project.key, item.id, key)
            sandbox.lost_values.append(LostValue(cell, present, update.name, at))
            reason = "written back as it was when the request arrived"
            sandbox.record(cell, CellWrite(at, value, update.name, update.order, applied=True, reason=reason))
