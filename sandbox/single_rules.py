"""How the endpoint for one item behaves: a switch for each thing that the vendor does not document."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from sandbox.limits import SLIDING, WINDOWS, Rate
from sandbox.uuids import REJECTED, TREATMENTS

REFUSE, PREFIX, DROP = "refuse", "prefix", "drop"
FIELDS, ITEM = "fields", "item"
ALLOWED = "allowed"

# Rule → its choices and what they mean. The options of the command are these names after `--put-`.
CHOICES: Mapping[str, tuple[tuple[str, ...], str]] = {
    "bad_field": (
        (REFUSE, PREFIX, DROP),
        "one bad field of several: all are refused, those before it are written, or only it is dropped, silently",
    ),
    "window": (WINDOWS, "the window of the limit; smooth: at equal distances"),
    "uuid": (TREATMENTS, "what a repeated X-IDEM-UUID gets; ignored: it is written again"),
    "access": (
        (ALLOWED, "10301", "10404", "404", "405"),
        "a plugin without permission for this endpoint gets this code (with HTTP 403 or 404), or this HTTP status without a body",
    ),
    "writes": (
        (FIELDS, ITEM),
        "item: the whole item is read at the start and written at the end, so what others wrote meanwhile is lost",
    ),
}


class RuleError(ValueError):
    """The rule cannot be understood; the message says why."""


@dataclass(frozen=True)
class SingleRules:
    bad_field: str = REFUSE
    window: str = SLIDING
    uuid: str = REJECTED
    access: str = ALLOWED
    writes: str = FIELDS
    limit: int = 15  # requests in a window
    seconds: float = 0.0  # how long an update takes, before its answer

    def __post_init__(self) -> None:
        for name, (choices, _) in CHOICES.items():
            if getattr(self, name) not in choices:
                raise RuleError(f"{name} is one of {', '.join(choices)}, not {getattr(self, name)!r}.")
        if type(self.limit) is not int or self.limit < 1 or not isinstance(self.seconds, int | float):
            raise RuleError("limit is a whole number from 1, seconds a number.")

    @property
    def rate(self) -> Rate:
        return Rate(self.limit, self.window)

    def changed(self, given: Mapping[str, Any]) -> "SingleRules":
        known = [field.name for field in fields(self)]
        if strange := [name for name in given if name not in known]:
            raise RuleError(f"There is no rule {strange[0]!r}; there are: {', '.join(known)}.")
        return replace(self, **given)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)
