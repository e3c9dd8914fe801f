"""What failed of a change set as the rows of a report, which an import takes back. With values, as they were sent."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from feishu_batch.change_set import FailedChange
from feishu_batch.outcomes import OutcomeKind
from worker.importing.report_columns import ONLY_JSON, STATE
from worker.operating.intent_specs import PlacedSpec, failures_with_specs
from worker.operating.session import Session

FieldName = Callable[[Mapping[str, Any]], str | None]


def failure_rows(session: Session, change_set: str, field_name: FieldName) -> Iterator[dict[str, Any]]:
    """`field_name`: of a row, if it is known. Raises `WrongUseError` for an unknown set, at once."""
    return (_row(one, placed, field_name) for one, placed in failures_with_specs(session, change_set))


def _row(failed: FailedChange, placed: PlacedSpec | None, field_name: FieldName) -> dict[str, Any]:
    """Without values where the intent was not readable."""
    about = {"line": None, STATE: OutcomeKind.FAILED.label, "code": failed.code, "reason": failed.reason}
    content: dict[str, Any] = {"field_key": failed.field}
    if placed:
        spec = {name: getattr(placed.spec, name) for name in placed.spec.__slots__}
        content = {name: value for name, value in spec.items() if value is not None or name == "after_field_value"}
    items = {"work_item_ids": [failed.item], ONLY_JSON: failed.item}
    return {**about, "field_name": field_name(content), **content, **items, "intent_id": failed.intent_id}
