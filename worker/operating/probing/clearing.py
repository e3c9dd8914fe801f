"""Which of null, the empty text and the empty list clear a field, by its type."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from worker.operating.probing.readings import Reading, Sureness, not_settled
from worker.operating.probing.run import ProbeRun

NAME: Final = "clearing"
LITERALS: Final[Sequence[Any]] = (None, "", [])
CLEARS, REFUSED, KEEPS = "clears", "is refused", "is accepted and clears nothing"
BY_NULL, NOT_BY_NULL = "null_clears", "null_does_not_clear"

Cleared = Mapping[str, Mapping[str, str]]  # field type → literal as JSON → what it does


def observe(run: ProbeRun) -> Cleared:
    seen: dict[str, dict[str, str]] = {}
    for field in run.place.fields:
        of_type = seen.setdefault(field.type_key, {})
        for literal in LITERALS:
            item = run.item(0)
            run.write(item, {field.key: run.next_value(item, field)})
            sent = (
                run.sender.put(item, {field.key: literal})
                if run.may_single
                else _by_batch(run, item, field.key, literal)
            )
            if not sent.is_accepted:
                of_type[json.dumps(literal)] = REFUSED
            else:
                of_type[json.dumps(literal)] = CLEARS if field.shows(run.shown(item), None) else KEEPS
    return seen


def _by_batch(run: ProbeRun, item: int, key: str, literal: Any) -> Any:
    sent = run.sender.batch([item], key, literal)
    run.sender.drain()
    return sent


def judge(seen: Cleared) -> Reading:
    if not seen:
        return not_settled(NAME, "nothing was written")
    words = "; ".join(
        f"{kind}: " + ", ".join(f"{literal} {done}" for literal, done in of_type.items())
        for kind, of_type in seen.items()
    )
    by_null = [of_type.get("null") == CLEARS for of_type in seen.values()]
    finding = BY_NULL if all(by_null) else NOT_BY_NULL
    return Reading(NAME, finding, f"clearing a field: {words}", Sureness.SEEN, sum(by_null), len(by_null), dict(seen))
