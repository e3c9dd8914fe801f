"""What fields should hold after intents, applied one after the other: a few lines that are obviously right.

Lists are sets here; the order of a list's members is nobody's promise.
"""

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from feishu_batch import UpdateIntent

PROJECT = "5f0c1a2b3c4d5e6f70818283"
OTHER_PROJECT = "6a1d2b3c4d5e6f7081928374"
TEXT, NUMBER, SELECT, TAGS = "field_a1b2c3", "field_3f6a90", "priority", "tags"
USER, USERS, RELATION, RELATIONS = "owner", "watchers", "field_7f8e9d", "field_6c5b4a"

PRIORITIES = ["option_0", "option_1", "option_2"]
TAG_IDS = ["n8d2k5j1h", "q4w7e9r3y", "u5i8o2p6a", "s1d4f7g0h"]
PEOPLE = ["7300000000000000001", "7300000000000000002", "7300000000000000003"]
DEFAULTS: dict[str, Any] = {SELECT: "option_2", TAGS: frozenset({"n8d2k5j1h"}), USER: PEOPLE[0]}

REFUSING = {1013: "WorkItemTerminated", 1042: "NoPermissionToModify"}


def intent(items: Iterable[int], value: Any = "x", field_key: str = TEXT, mode: str = "UPDATE", **more: Any) -> Any:
    return UpdateIntent.parse(
        {
            "project_key": PROJECT,
            "work_item_type_key": "story",
            "work_item_ids": list(items),
            "field_key": field_key,
            "update_mode": mode,
            "after_field_value": value,
            **more,
        }
    )


def random_intents(seed: int, count: int, items: list[int]) -> list[UpdateIntent]:
    rng = random.Random(seed)
    return [_random_intent(rng, items) for _ in range(count)]


def _random_intent(rng: random.Random, items: list[int]) -> UpdateIntent:
    field_key = rng.choice([TEXT, NUMBER, SELECT, TAGS, USER, USERS, RELATION, RELATIONS])
    modes = {TEXT: ["UPDATE"], NUMBER: ["UPDATE"]}.get(field_key, ["UPDATE", "REPLACE"])
    if field_key in (TAGS, USERS, RELATIONS):
        modes = ["APPEND", "UPDATE", "REPLACE", "APPEND"]
    mode = rng.choice(modes)
    more = {"before_field_value": _random_value(rng, field_key, before=True)} if mode == "REPLACE" else {}
    if rng.random() < 0.15:
        more["keep_every_change"] = True
    if rng.random() < 0.15:
        more["priority"] = rng.randrange(10)
    chosen = rng.sample(items, rng.randint(1, min(40, len(items))))
    return intent(chosen, _random_value(rng, field_key), field_key, mode, **more)


def _random_value(rng: random.Random, field_key: str, *, before: bool = False) -> Any:
    if not before and rng.random() < 0.05:
        return None
    match field_key:
        case "field_a1b2c3":
            return rng.choice(["alpha", "beta", "gamma"])
        case "field_3f6a90":
            return rng.choice([0, 1, 2.5])
        case "priority":
            return {"value": rng.choice(PRIORITIES)}
        case "tags":
            return [{"value": tag} for tag in rng.sample(TAG_IDS, 1 if before else rng.randint(1, 2))]
        case "owner":
            return rng.choice(PEOPLE)
        case "watchers":
            return rng.sample(PEOPLE, 1 if before else rng.randint(1, 2))
        case "field_7f8e9d":
            return rng.choice([5001, 5002])
    return rng.sample([2001, 2002, 2003], 1 if before else rng.randint(1, 2))


def plain(value: Any) -> Any:
    """Any way of writing a value, as one that can be compared; an empty one is None."""
    if isinstance(value, list):
        return frozenset(plain(one) for one in value) or None
    if isinstance(value, dict):
        return value["value"]
    return None if value == "" else value


@dataclass
class Model:
    cells: dict[tuple[int, str], Any] = field(default_factory=dict)

    def apply(self, intent: UpdateIntent) -> None:
        for item in intent.work_item_ids:
            if item not in REFUSING:
                self._write(item, intent)

    def value(self, item: int, field_key: str) -> Any:
        return self.cells.get((item, field_key), DEFAULTS.get(field_key))

    def _write(self, item: int, intent: UpdateIntent) -> None:
        now = self.value(item, intent.field_key)
        before, after = plain(intent.before_field_value), plain(intent.after_field_value)
        if intent.update_mode == "APPEND":
            new = (now or frozenset()) | (after or frozenset())
        elif intent.update_mode == "UPDATE":
            new = after
        elif isinstance(before, frozenset):
            new = (now - before) | (after or frozenset()) if now and before <= now else now
        else:
            new = after if now == before else now
        self.cells[item, intent.field_key] = new or None if isinstance(new, frozenset) else new

    def assert_matches(self, shown: dict[int, dict[str, Any]]) -> None:
        wrong = {}
        for (item, field_key), expected in self.cells.items():
            fields = shown.get(item, {})
            found = plain(fields[field_key]) if field_key in fields else DEFAULTS.get(field_key)
            if found != expected:
                wrong[item, field_key] = f"{found!r} instead of {expected!r}"
        assert not wrong
