"""The values from before the probe: they are known and can be written back, or nothing is written. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from worker.operating.probing.place import TrialField
from worker.remote.equality import UnreadableError
from worker.remote.models import WorkItem
from worker.remote.write_form import write_form


@dataclass(frozen=True, slots=True)
class Originals:
    """`values`: (item, field key) → the value in the API's form, None if it was empty. `left_out`: item → why it is not used."""

    values: Mapping[tuple[int, str], Any]
    left_out: Mapping[int, str]

    @property
    def items(self) -> tuple[int, ...]:
        return tuple(dict.fromkeys(item for item, _ in self.values))


def originals(asked: Sequence[int], found: Mapping[int, WorkItem], fields: Sequence[TrialField]) -> Originals:
    values: dict[tuple[int, str], Any] = {}
    left_out: dict[int, str] = {}
    for item in dict.fromkeys(asked):
        try:
            values |= {(item, field.key): _original(found.get(item), field) for field in fields}
        except _UnusableError as error:
            left_out[item] = str(error)
    return Originals({cell: value for cell, value in values.items() if cell[0] not in left_out}, left_out)


class _UnusableError(Exception):
    pass


def _original(item: WorkItem | None, field: TrialField) -> Any:
    if item is None:
        raise _UnusableError("it is not there, or has another type")
    if field.key not in item.fields:
        raise _UnusableError(f"{field.key} is not shown: it is empty or hidden. Give it a value first")
    try:
        return write_form(field.type_key, item.fields[field.key])
    except UnreadableError:
        raise _UnusableError(f"the value of {field.key} has a form that is not known") from None
