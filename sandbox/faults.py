"""Injected faults: each rule has the fault, the endpoint, and how often it fires."""

import random
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

# Name → fault. Before the request has any effect:
BEFORE = {
    "spurious_429": "answered 429 with code 10429, although the request was not too fast",
    "try_later": "answered 50006 'please try again later'; ,status=500 chooses the HTTP status",
    "token_loss": "every issued plugin token becomes unknown",
    "drop_before": "the connection is cut, nothing was done",
    "error_before": "answered 502, 503 or 504, nothing was done; ,status=503 chooses; with ,code=50007 in the API's own form",
    "garbage_before": "answered 200 with half of a JSON text, nothing was done",
    "hang_before": "no answer for 30 s, then the connection is cut, nothing was done; ,seconds=5 chooses",
    "refuse": "answered with the given error code: batch_update:refuse=3x,code=20050; ,status=400 chooses",
    "error_late": "as error_before, but a batch_update or update_item is executed later: 10 s, or ,seconds=5",
}
# After the request had its effect: the client does not get the answer.
AFTER = {
    "drop_after": "as drop_before, but the request was executed",
    "error_after": "as error_before, but the request was executed",
    "garbage_after": "as garbage_before, but the request was executed",
    "hang_after": "as hang_before, but the request was executed",
}
POLL = {"not_exist": "task_result says NOT_EXIST although the job exists"}
# Faults of the job that a batch_update starts.
JOB = {
    "lose_job": "the job of a batch_update is done, but task_result never knows it",
    "void_job": "the job of a batch_update is never done, and task_result never knows it",
    "endless_job": "the job of a batch_update does half of its items and runs forever",
    "omit_item": "one item of a batch_update's job is in neither list, and every other time not changed either",
}
# Of what a work_item_query shows.
READ = {
    "stale_read": "a work_item_query shows the values of 2 s ago, or ,seconds=5",
    "hide_field": "a work_item_query leaves out its fields as if the user may not see them; ,field=priority only this one",
}

NAMES = {**BEFORE, **AFTER, **POLL, **JOB, **READ}
EVERYWHERE = "*"
WITH_A_CODE = ("refuse", "error_before", "error_after", "error_late")
GATEWAY_ERRORS = (502, 503, 504)
DEFAULT_HANG = 30.0  # seconds
DEFAULT_LATENESS = 10.0  # seconds
DEFAULT_STALENESS = 2.0  # seconds
_READERS = {"seconds": float, "field": str}  # of a rule's options; the others are whole numbers


class FaultError(ValueError):
    """The rule cannot be understood; the message says why."""


@dataclass
class FaultRule:
    name: str
    endpoint: str = EVERYWHERE
    probability: float | None = None
    count: int | None = None  # number of requests, then never again
    skip: int = 0  # requests that pass before the count begins
    code: int | None = None  # of refuse: the error code of the answer
    status: int | None = None  # of refuse and try_later, default 400; of error_*, default one of 502, 503, 504
    seconds: float | None = None  # of hang_*, error_late and stale_read
    field: str | None = None  # of hide_field

    def __post_init__(self) -> None:
        if self.name not in NAMES:
            raise FaultError(f"There is no fault {self.name!r}; there are: {', '.join(sorted(NAMES))}.")
        if (self.probability is None) == (self.count is None):
            raise FaultError(f"The fault {self.name} needs either a probability or a count.")
        if self.name == "refuse" and self.code is None:
            raise FaultError("The fault refuse needs the code of its answer: batch_update:refuse=3x,code=20050.")
        if self.code is not None and self.name not in WITH_A_CODE:
            raise FaultError(f"Only the faults {', '.join(WITH_A_CODE)} take a code, not {self.name}.")
        if self.field is not None and self.name != "hide_field":
            raise FaultError(f"Only the fault hide_field takes a field, not {self.name}.")

    def fires(self, rng: random.Random) -> bool:
        if self.probability is not None:
            return rng.random() < self.probability
        if self.skip > 0:
            self.skip -= 1
            return False
        if not self.count:
            return False
        self.count -= 1
        return True


def parse_rule(text: str) -> FaultRule:
    """`[ENDPOINT:]NAME=HOW_OFTEN[,KEY=VALUE...]`; a probability (0.05) or a count (3x)."""
    target, _, how_often = text.partition("=")
    endpoint, _, name = target.rpartition(":")
    amount, *extras = how_often.split(",")
    options: dict[str, Any] = {"name": name.strip(), "endpoint": endpoint.strip() or EVERYWHERE}
    try:
        if amount.endswith("x"):
            options["count"] = int(amount[:-1])
        else:
            options["probability"] = float(amount)
        for key, _, value in (extra.partition("=") for extra in extras):
            options[key] = _READERS.get(key, int)(value)
    except ValueError as error:
        raise FaultError(
            f"{text!r} is not a fault; write for example drop_after=0.05 or task_result:not_exist=3x."
        ) from error
    return rule_of(options)


def rule_of(given: Mapping[str, Any]) -> FaultRule:
    try:
        return FaultRule(**given)
    except TypeError as error:
        raise FaultError(
            f"A fault has the keys {', '.join(FaultRule.__dataclass_fields__)}; got {dict(given)}."
        ) from error


class Faults:
    def __init__(self, rules: Iterable[FaultRule], rng: random.Random) -> None:
        self._rules: list[FaultRule] = []
        self._rng = rng
        self.fired: Counter[str] = Counter()
        self.set(rules)

    def set(self, rules: Iterable[FaultRule]) -> None:
        """Add rules; a rule for the same fault at the same endpoint replaces the earlier one."""
        for rule in rules:
            self._rules = [r for r in self._rules if (r.name, r.endpoint) != (rule.name, rule.endpoint)]
            self._rules.append(rule)

    def clear(self) -> None:
        self._rules.clear()

    def draw(self, endpoint: str, names: Iterable[str]) -> FaultRule | None:
        """The first rule among these names that fires for this request."""
        for rule in self._rules:
            if rule.name in names and rule.endpoint in (EVERYWHERE, endpoint) and rule.fires(self._rng):
                self.fired[f"{endpoint}:{rule.name}"] += 1
                return rule
        return None

    def gateway_status(self, rule: FaultRule) -> int:
        return rule.status or self._rng.choice(GATEWAY_ERRORS)

    def as_json(self) -> list[dict[str, Any]]:
        return [asdict(rule) for rule in self._rules]
