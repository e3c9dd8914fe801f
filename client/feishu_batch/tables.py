"""A table as intents: cells that agree in field and value travel together. Pure."""

from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Any

from pydantic_core import to_json

from feishu_batch.errors import IntentError
from feishu_batch.intents import BULK_PRIORITY, DEFAULT_PRIORITY, MAX_ITEMS, UpdateIntent, parse_intent
from feishu_batch.packing import PackedIntent
from feishu_batch.values import canonical_value

_ID_BYTES = 16

# Item → field → value. A field is named by its key, its alias or its name; None clears it.
TableRows = Mapping[int, Mapping[str, Any]]


def intents_of_table(rows: TableRows, change_set: str, **common: Any) -> Iterator[UpdateIntent]:
    """In the order in which the values stand in the table; the items of each by their ids.

    `common`: the other parts of the intents. The ids come from the change set and the content, so the same table is the same work.
    Raises IntentError that names the cell.
    """
    for (field, value), items in _gathered(rows).items():
        items.sort()
        for start in range(0, len(items), MAX_ITEMS):
            part = items[start : start + MAX_ITEMS]
            yield _intent(field, value, part, change_set, common)


def packed_table(rows: TableRows, change_set: str, **common: Any) -> Iterator[PackedIntent]:
    """The same, written. The same work with another expiry or note is no conflict: what was enqueued first counts."""
    for intent in intents_of_table(rows, change_set, **common):
        yield PackedIntent.of(intent, _work(intent).digest())


def _gathered(rows: TableRows) -> dict[tuple[str, "_Value"], list[int]]:
    if not isinstance(rows, Mapping):
        raise IntentError("a table is a mapping of work item ids to the fields of each: {1001: {'priority': 'P0'}}")
    found: dict[tuple[str, _Value], list[int]] = {}
    for item, cells in rows.items():
        if isinstance(item, bool) or not isinstance(item, int):
            raise IntentError(f"table.{item!s:.40}: the key of a row is a work item id, a whole number")
        if not isinstance(cells, Mapping):
            raise IntentError(f"table.{item}: a row is a mapping of fields to values")
        for field, value in cells.items():
            try:
                found.setdefault((field, _Value(canonical_value(value))), []).append(item)
            except ValueError as error:
                raise IntentError(f"table.{item}.{field}: {error}") from None
    if not found:
        raise IntentError("the table has no cell, so there is nothing to do")
    return found


class _Value:
    """By its JSON: 1 and True differ, and equal lists are equal."""

    __slots__ = ("json", "value")

    def __init__(self, value: Any) -> None:
        self.value = value
        self.json = to_json(value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Value) and self.json == other.json

    def __hash__(self) -> int:
        return hash(self.json)


def _intent(field: str, value: _Value, items: list[int], change_set: str, common: Mapping[str, Any]) -> UpdateIntent:
    content = {
        "priority": BULK_PRIORITY,
        **common,
        "work_item_ids": items,
        "field_key": field,
        "after_field_value": value.value,
        "change_set": change_set,
    }
    try:
        intent = parse_intent(content)
    except IntentError as error:
        lines = str(error).splitlines()
        raise IntentError("\n".join(_named(line, field, items[0]) for line in lines)) from None
    name = f"{change_set}\0{_work(intent).digest()}"
    return intent.model_copy(update={"intent_id": f"table-{blake2b(name.encode(), digest_size=_ID_BYTES).hexdigest()}"})


def _work(intent: UpdateIntent) -> UpdateIntent:
    """Without what only says when it is sent, or what people read about it."""
    only_how = {
        "priority": DEFAULT_PRIORITY,
        "expires_at": None,
        "note": None,
        "producer": None,
    }
    return intent.model_copy(update=only_how)


def _named(problem: str, field: str, item: int) -> str:
    """A problem of the value or the field says in which cell it stands."""
    part, _, what = problem.partition(": ")
    return f"table.{item}.{field}: {what}" if part in ("after_field_value", "field_key") else problem
