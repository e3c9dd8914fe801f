"""The content of the sandbox: projects, types, fields, options, people and work items, read from one JSON file."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

DEMO_WORLD = Path(__file__).parent / "worlds" / "demo.json"


class WorldError(ValueError):
    """The world file cannot be used; the message says what to change."""


@dataclass(frozen=True)
class FieldDefinition:
    key: str
    name: str
    alias: str
    type_as_given: str  # the API may hyphenate type names; decisions use `type_key`
    options: tuple[Mapping[str, Any], ...] = ()
    generate_mode: str = "Default"
    is_obsoleted: bool = False
    is_cascading: bool = False
    related_type: str | None = None  # the type of the items that a relation may point to
    types: frozenset[str] | None = None  # None: every type of the project
    in_meta: bool = True

    @property
    def type_key(self) -> str:
        return self.type_as_given.replace("-", "_")

    @property
    def is_calculated(self) -> bool:
        return self.generate_mode == "Calculate"

    def belongs_to(self, type_key: str) -> bool:
        return self.types is None or type_key in self.types


@dataclass(frozen=True)
class Item:
    id: int
    type_key: str
    name: str
    refuse: str | None = None  # the scene with which every change of this item fails
    poison: int | None = None  # the code with which every request with this item is refused
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ItemRange:
    ids: range
    type_key: str
    values: Mapping[str, Any]

    def item(self, item_id: int) -> Item:
        return Item(item_id, self.type_key, f"{self.type_key} {item_id}", values=self.values)


@dataclass(frozen=True)
class FixedView:
    id: str
    name: str
    items: Sequence[int]


@dataclass(frozen=True)
class SandboxProject:
    key: str
    simple_name: str
    name: str
    types: Mapping[str, str]
    fields: tuple[FieldDefinition, ...]
    items: Mapping[int, Item]
    ranges: tuple[ItemRange, ...]
    closed: int | None = None  # the code with which every request for this project is refused
    views: Mapping[str, FixedView] = field(default_factory=dict)

    def item(self, item_id: int) -> Item | None:
        if item_id in self.items:
            return self.items[item_id]
        return next((r.item(item_id) for r in self.ranges if item_id in r.ids), None)

    def fields_of(self, type_key: str | None) -> list[FieldDefinition]:
        return [f for f in self.fields if type_key is None or f.belongs_to(type_key)]

    def field(self, field_key: str, type_key: str) -> FieldDefinition | None:
        return next((f for f in self.fields_of(type_key) if f.key == field_key), None)


@dataclass(frozen=True)
class Plugin:
    secret: str
    lacks_permission: bool = False


@dataclass(frozen=True)
class World:
    projects: Mapping[str, SandboxProject]
    users: tuple[Mapping[str, Any], ...]  # empty: any user may act
    plugins: Mapping[str, Plugin]  # empty: any plugin id with any secret is accepted

    def project(self, key_or_simple_name: str) -> SandboxProject | None:
        found = self.projects.get(key_or_simple_name)
        return found or next((p for p in self.projects.values() if p.simple_name == key_or_simple_name), None)

    def knows(self, user_key: str) -> bool:
        return not self.users or any(user["user_key"] == user_key for user in self.users)

    def is_inactive(self, user_key: str) -> bool:
        return any(user["user_key"] == user_key and user.get("inactive") for user in self.users)


def load_world(path: Path = DEMO_WORLD) -> World:
    try:
        return build_world(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise WorldError(f"The world file {path} cannot be read: {error.strerror}.") from error
    except json.JSONDecodeError as error:
        raise WorldError(f"The world file {path} is not JSON: {error}.") from error
    except KeyError as error:
        raise WorldError(f"The world file {path} lacks the key {error}.") from error


def build_world(source: Mapping[str, Any]) -> World:
    projects = [_project(p) for p in source["projects"]]
    plugins = {
        plugin_id: Plugin(p) if isinstance(p, str) else Plugin(p["secret"], bool(p.get("lacks_permission")))
        for plugin_id, p in source.get("plugins", {}).items()
    }
    return World({p.key: p for p in projects}, tuple(source.get("users", ())), plugins)


def _project(source: Mapping[str, Any]) -> SandboxProject:
    ranges = tuple(_range(i) for i in source["items"] if "from" in i)
    items = _single_items((i for i in source["items"] if "from" not in i), ranges)
    fields = tuple(_field(f) for f in source["fields"])
    return SandboxProject(
        source["project_key"],
        source["simple_name"],
        source["name"],
        source["types"],
        fields,
        items,
        ranges,
        source.get("closed"),
        {view["view_id"]: _view(view) for view in source.get("views", ())},
    )


def _view(source: Mapping[str, Any]) -> FixedView:
    """With its items one by one, or from the first to the last."""
    items = source.get("work_item_ids") or range(source["from"], source["to"] + 1)
    return FixedView(source["view_id"], source["name"], items)


def _field(source: Mapping[str, Any]) -> FieldDefinition:
    return FieldDefinition(
        key=source["field_key"],
        name=source["field_name"],
        alias=source.get("field_alias", ""),
        type_as_given=source["field_type_key"],
        options=tuple(source.get("options", ())),
        generate_mode=source.get("value_generate_mode", "Default"),
        is_obsoleted=source.get("is_obsoleted", False),
        is_cascading=source.get("is_cascading", False),
        related_type=source.get("related_type"),
        types=frozenset(source["types"]) if "types" in source else None,
        in_meta=source.get("in_meta", True),
    )


def _range(source: Mapping[str, Any]) -> ItemRange:
    return ItemRange(range(source["from"], source["to"] + 1), source["type"], source.get("defaults", {}))


def _single_items(source: Iterable[Mapping[str, Any]], ranges: tuple[ItemRange, ...]) -> dict[int, Item]:
    """Items given one by one; an item in a range overrides it and inherits the missing keys."""
    items = {}
    for one in source:
        inherited = next((r.item(one["id"]) for r in ranges if one["id"] in r.ids), None)
        type_key = one.get("type") or (inherited.type_key if inherited else None)
        if type_key is None:
            raise WorldError(f"Item {one['id']} has no type and is in no range; give it a `type`.")
        values = {**(inherited.values if inherited else {}), **one.get("values", {})}
        name = one.get("name", f"{type_key} {one['id']}")
        items[one["id"]] = Item(one["id"], type_key, name, one.get("refuse"), one.get("poison"), values)
    return items
