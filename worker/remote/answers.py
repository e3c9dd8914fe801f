"""Parses the `data` of an answer into records: tolerant of details, None if the whole is unusable. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from worker.remote.envelope import clean, to_int
from worker.remote.models import (
    Exchange,
    Field,
    ItemType,
    JobReport,
    JobStatus,
    Option,
    Person,
    Project,
    ViewPage,
    WorkItem,
)

DEEPEST_TREE = 32  # levels of options
YES = (True, 1, "1", "true")  # official page: 1 is yes and 2 is no; booleans occur too


def task_id(data: object) -> str:
    """The job's name, or "" if there is none. Tolerant: a bare string or a number is accepted too."""
    value = data.get("task_id") if isinstance(data, Mapping) else data
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value.strip() if isinstance(value, str) else ""


def token(data: object) -> tuple[str, float | None]:
    """Token and lifetime in seconds; "" without a usable token, None without a positive lifetime."""
    value = _text(_mapping(data).get("token")).strip()
    lifetime = to_int(_mapping(data).get("expire_time"))
    usable = value.isascii() and value.isprintable() and " " not in value
    return (value if usable else "", float(lifetime) if lifetime and lifetime > 0 else None)


def job_report(asked_for: str, data: object, exchange: Exchange, log_id: str) -> JobReport | None:
    """None: the answer is about another job, or is not a report."""
    if not isinstance(data, Mapping) or not _is_about(asked_for, task_id(data)):
        return None
    counters = {name: to_int(data.get(name)) for name in ("total", "success_total", "error_total")}
    lists = {name: _ids(data.get(name)) for name in ("success_sub_task_list", "fail_sub_task_list")}
    word = _text(data.get("task_status")).strip()
    known = word.upper() in set(JobStatus)
    return JobReport(
        task_id=asked_for,
        status=JobStatus(word.upper()) if known else JobStatus.UNKNOWN,
        **counters,
        succeeded=lists["success_sub_task_list"],
        failed=lists["fail_sub_task_list"],
        scenes=_scenes(data.get("error_scenes")),
        exchange=exchange,
        word=clean(word),
        log_id=log_id,
        is_garbled=any(value is None and data.get(name) is not None for name, value in (counters | lists).items()),
    )


def work_items(data: object) -> list[WorkItem] | None:
    if not isinstance(data, Sequence) or isinstance(data, str):
        return [] if data is None else None
    return [item for item in map(_work_item, data) if item is not None]


def view_page(data: object) -> ViewPage | None:
    ids = _ids(_mapping(data).get("work_item_id_list"))
    if ids is None:
        return None
    total = to_int(_mapping(_mapping(data).get("pagination")).get("total"))
    return ViewPage(clean(_text(_mapping(data).get("name"))), ids, total)


def fields(data: object) -> list[Field] | None:
    if not isinstance(data, Sequence) or isinstance(data, str):
        return None
    return [_field(row) for row in data if isinstance(row, Mapping) and _text(row.get("field_key"))]


def projects(data: object) -> list[Project] | None:
    if isinstance(data, Mapping):
        rows = [{"project_key": key, **_mapping(row)} for key, row in data.items()]
    elif isinstance(data, list):
        rows = [dict(_mapping(row)) for row in data]
    else:
        return [] if data is None else None
    return [
        Project(_text(row.get("project_key")), _text(row.get("simple_name")), _text(row.get("name"))) for row in rows
    ]


def people(data: object) -> list[Person] | None:
    if not isinstance(data, list):
        return [] if data is None else None
    rows = [row for row in data if isinstance(row, Mapping) and _text(row.get("user_key"))]
    return [Person(row["user_key"], _text(row.get("email"))) for row in rows]


def item_types(data: object) -> list[ItemType] | None:
    if not isinstance(data, list):
        return None
    rows = [row for row in data if isinstance(row, Mapping) and _text(row.get("type_key"))]
    return [
        ItemType(row["type_key"], _text(row.get("name")), _text(row.get("api_name")), row.get("is_disable") in YES)
        for row in rows
    ]


def normalised_type(type_key: object) -> str:
    """Field type with underscores: some endpoints hyphenate (`multi-select`)."""
    return _text(type_key).strip().lower().replace("-", "_")


def _work_item(row: object) -> WorkItem | None:
    number = to_int(_mapping(row).get("id"))
    if number is None:
        return None
    listed = _mapping(row).get("fields")
    cells = [cell for cell in listed if isinstance(cell, Mapping)] if isinstance(listed, list) else []
    named = {_text(cell.get("field_key")): cell for cell in cells if "field_value" in cell}
    name = _text(_mapping(row).get("name"))
    if name:  # is next to the fields, not among them
        named.setdefault("name", {"field_value": name, "field_type_key": "text"})
    return WorkItem(
        id=number,
        fields={key: cell["field_value"] for key, cell in named.items() if key},
        types={key: normalised_type(cell.get("field_type_key")) for key, cell in named.items() if key},
        name=name,
        updated_at=to_int(_mapping(row).get("updated_at")),
    )


def _field(row: Mapping[str, Any]) -> Field:
    required = row.get("is_required")
    return Field(
        key=row["field_key"],
        name=_text(row.get("field_name")),
        alias=_text(row.get("field_alias")),
        type_key=normalised_type(row.get("field_type_key")),
        options=_options(row.get("options"), DEEPEST_TREE),
        is_obsolete=row.get("is_obsoleted") in YES,
        value_generate_mode=_text(row.get("value_generate_mode")),
        is_required=None if required is None else required in YES,
        relation=_mapping(row.get("work_item_relation")),
    )


def _options(rows: object, levels: int) -> tuple[Option, ...]:
    if not isinstance(rows, list) or levels == 0:
        return ()
    return tuple(
        Option(
            value=str(row.get("value", "")),
            label=_text(row.get("label")),
            children=_options(row.get("children"), levels - 1),
            is_disabled=row.get("is_disabled") in YES,
        )
        for row in rows
        if isinstance(row, Mapping)
    )


def _is_about(asked_for: str, named: str) -> bool:
    """Some answers omit the job's name, or its prefix: `WORK_ITEM_BATCH_UPDATE-123` is `123`."""
    return named in ("", asked_for) or asked_for.endswith(f"-{named}") or named.endswith(f"-{asked_for}")


def _ids(values: object) -> tuple[int, ...] | None:
    """None if the list is missing or contains an invalid id: "no items" and "not stated" have different consequences."""
    if not isinstance(values, list):
        return None
    numbers = tuple(map(to_int, values))
    return None if None in numbers else tuple(number for number in numbers if number is not None)


def _scenes(values: object) -> tuple[str, ...]:
    listed = values if isinstance(values, list) else [values]
    return tuple(clean(value) for value in listed if isinstance(value, str) and value)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
