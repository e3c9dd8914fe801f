"""The endpoints that only read: items, fields, forms, types, people, projects."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from sandbox import errors, values
from sandbox.cells import CellKey
from sandbox.core import LoggedCall, Sandbox, SandboxSettings
from sandbox.errors import ApiError
from sandbox.faults import DEFAULT_STALENESS, READ, FaultRule
from sandbox.world import FieldDefinition, Item, SandboxProject

MAX_QUERIED_ITEMS = 50
MAX_QUERIED_USERS = 100
MAX_VIEW_PAGE = 200
MAX_VIEW_ITEMS = 200_000  # of all pages together
CREATED_AT = 1_767_225_600_000  # milliseconds; of every item
ENABLED = 2  # the API says 1 for yes and 2 for no in several places


def query_items(sandbox: Sandbox, call: LoggedCall) -> list[dict[str, Any]]:
    project, type_key = project_in_path(sandbox, call), type_in_path(sandbox, call)
    body = call.body()
    ids = body.get("work_item_ids")
    if not isinstance(ids, list) or not ids or any(type(i) is not int for i in ids):
        raise ApiError(errors.INVALID_PARAM, "work_item_ids is a list of JSON integers")
    if len(ids) > MAX_QUERIED_ITEMS:
        raise ApiError(errors.INVALID_PARAM, f"at most {MAX_QUERIED_ITEMS} work_item_ids")
    wanted = _strings(body, "fields")
    found = [item for i in ids if (item := project.item(i)) is not None and item.type_key == type_key]
    if sandbox.settings.missing_items_fail_query and len(found) < len(ids):
        raise ApiError(errors.ITEM_NOT_FOUND)
    return [_item_json(sandbox, project, item, wanted, call.at) for item in found]


def fix_view(sandbox: Sandbox, call: LoggedCall) -> dict[str, Any]:
    """One page of a view's items; the pages are counted from 1."""
    project = project_in_path(sandbox, call)
    view = project.views.get(call.path["view_id"])
    if view is None:
        raise ApiError(errors.VIEW_NOT_FOUND, call.path["view_id"])
    size, number = _whole(call, "page_size", MAX_VIEW_PAGE), _whole(call, "page_num", 1)
    if not 1 <= size <= MAX_VIEW_PAGE or number < 1:
        raise ApiError(errors.INVALID_PARAM, f"page_size is 1 to {MAX_VIEW_PAGE}, page_num is 1 or more")
    start = (number - 1) * size
    if start >= MAX_VIEW_ITEMS:
        raise ApiError(errors.VIEW_TOO_LARGE)
    return {
        "view_id": view.id,
        "name": view.name,
        "work_item_id_list": list(view.items[start : start + size]),
        "pagination": {"page_num": number, "page_size": size, "total": len(view.items)},
    }


def _whole(call: LoggedCall, name: str, default: int) -> int:
    given = call.query.get(name, str(default))
    if not given.isdigit():
        raise ApiError(errors.INVALID_PARAM, f"{name} is a whole number")
    return int(given)


def all_fields(sandbox: Sandbox, call: LoggedCall) -> list[dict[str, Any]]:
    project = project_in_path(sandbox, call)
    type_key = call.body().get("work_item_type_key") or None
    if type_key is not None and not (isinstance(type_key, str) and type_key in project.types):
        raise ApiError(errors.TYPE_NOT_FOUND, str(type_key))
    return [
        {
            **_field_json(field),
            "is_obsoleted": field.is_obsoleted,
            "value_generate_mode": field.generate_mode,
            "work_item_scopes": [t for t in project.types if field.belongs_to(t)],
        }
        for field in project.fields_of(type_key)
    ]


def meta(sandbox: Sandbox, call: LoggedCall) -> list[dict[str, Any]]:
    project, type_key = project_in_path(sandbox, call), type_in_path(sandbox, call)
    return [
        {**_field_json(field), "is_required": ENABLED, "work_item_relation": _relation_json(field)}
        for field in project.fields_of(type_key)
        if field.in_meta and not field.is_obsoleted
    ]


def all_types(sandbox: Sandbox, call: LoggedCall) -> list[dict[str, Any]]:
    project = project_in_path(sandbox, call)
    return [
        {"type_key": key, "name": name, "api_name": key, "is_disable": ENABLED} for key, name in project.types.items()
    ]


def query_users(sandbox: Sandbox, call: LoggedCall) -> list[dict[str, Any]]:
    body = call.body()
    keys, emails = _strings(body, "user_keys"), _strings(body, "emails")
    if not keys and not emails:
        raise ApiError(errors.INVALID_PARAM, "user_keys or emails are needed")
    if max(len(keys), len(emails)) > MAX_QUERIED_USERS:
        raise ApiError(errors.INVALID_PARAM, f"at most {MAX_QUERIED_USERS} people")
    return [
        {
            "user_key": user["user_key"],
            "name_cn": user.get("name_cn", ""),
            "name_en": user.get("name_en", ""),
            "email": user.get("email", ""),
            "status": "resigned" if user.get("inactive") else "activated",
        }
        for user in sandbox.world.users
        if user["user_key"] in keys or user.get("email") in emails
    ]


def project_details(sandbox: Sandbox, call: LoggedCall) -> dict[str, Any]:
    body = call.body()
    keys, simple_names = _strings(body, "project_keys"), _strings(body, "simple_names")
    if not keys and not simple_names:
        raise ApiError(errors.INVALID_PARAM, "project_keys or simple_names are needed")
    return {
        project.key: {"project_key": project.key, "simple_name": project.simple_name, "name": project.name}
        for project in sandbox.world.projects.values()
        if project.closed is None and (project.key in keys or project.simple_name in simple_names)
    }


def project_in_path(sandbox: Sandbox, call: LoggedCall) -> SandboxProject:
    project = sandbox.world.project(call.path["project_key"])  # in a path, the simple name is accepted like the key
    if project is None:
        raise ApiError(errors.PROJECT_KEY_WRONG)
    errors.refuse_by_code(project.closed)
    return project


def type_in_path(sandbox: Sandbox, call: LoggedCall) -> str:
    type_key = call.path["type_key"]
    if type_key not in project_in_path(sandbox, call).types:
        raise ApiError(errors.TYPE_NOT_FOUND, type_key)
    return type_key


def _strings(body: Mapping[str, Any], key: str) -> list[str]:
    texts = body.get(key) or []
    if not isinstance(texts, list) or any(not isinstance(s, str) for s in texts):
        raise ApiError(errors.INVALID_PARAM, f"{key} is a list of strings")
    return texts


def _item_json(sandbox: Sandbox, project: SandboxProject, item: Item, wanted: list[str], at: float) -> dict[str, Any]:
    stale, hides = (sandbox.faults.draw("work_item_query", [name]) for name in READ)
    seen_at = _seen_at(stale, at)
    updated_at = sandbox.cells.updated_at(project.key, item.id, seen_at)
    return {
        "id": item.id,
        "name": item.name,
        "work_item_type_key": item.type_key,
        "created_at": CREATED_AT,
        "updated_at": CREATED_AT if updated_at is None else round((updated_at + sandbox.unix_offset) * 1000),
        "fields": _shown_fields(sandbox, project, item, wanted, seen_at, hides),
    }


def _shown_fields(
    sandbox: Sandbox, project: SandboxProject, item: Item, wanted: list[str], seen_at: float, hides: FaultRule | None
) -> list[dict[str, Any]]:
    """A field that never had a value is omitted, or null; a cleared one is null, or omitted."""
    fields = []
    for field in project.fields_of(item.type_key):
        if (wanted and field.key not in wanted) or (hides and hides.field in (None, field.key)):
            continue
        written = sandbox.cells.last_write(CellKey(project.key, item.id, field.key), seen_at)
        value = written.value if written else item.values.get(field.key)
        if value is not None or _is_shown_empty(sandbox.settings, was_set=written is not None):
            shown = values.dressed(field, value)
            fields.append({"field_key": field.key, "field_type_key": field.type_as_given, "field_value": shown})
    return fields


def _seen_at(stale: FaultRule | None, now: float) -> float:
    if stale is None:
        return math.inf
    return now - (DEFAULT_STALENESS if stale.seconds is None else stale.seconds)


def _is_shown_empty(settings: SandboxSettings, *, was_set: bool) -> bool:
    return not settings.leaves_out_empty_fields if was_set else settings.shows_unset_fields


def _field_json(field: FieldDefinition) -> dict[str, Any]:
    return {
        "field_key": field.key,
        "field_name": field.name,
        "field_alias": field.alias,
        "field_type_key": field.type_as_given,
        "options": _options_json(field.options),
    }


def _options_json(options: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "label": option.get("label", ""),
            "value": option["value"],
            "is_disabled": option.get("is_disabled", ENABLED),
            "children": _options_json(option.get("children") or ()),
        }
        for option in options
    ]


def _relation_json(field: FieldDefinition) -> dict[str, Any] | None:
    return {"work_item_type_key": field.related_type} if field.related_type else None
