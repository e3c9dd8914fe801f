"""Intents, and a catalogue as the demonstration world has it."""

from datetime import timedelta, timezone
from typing import Any

from feishu_batch.intents import UpdateIntent
from sandbox.world import load_world
from worker.catalogue.checks import Checks
from worker.catalogue.models import Catalogue, Code, RefusedError
from worker.remote import answers

SPACE = "5f0c1a2b3c4d5e6f70818283"
CHINA = timezone(timedelta(hours=8))
KEY_OF = {"lilei@example.com": "7300000000000000002", "meimei@example.com": "7300000000000000003"}


def wish(field: str, after: Any, mode: str = "UPDATE", **more: Any) -> UpdateIntent:
    content = {"project_key": SPACE, "work_item_type_key": "story", "work_item_ids": [1001], "field_key": field}
    return UpdateIntent.parse({**content, "update_mode": mode, "after_field_value": after, **more})


def demo_catalogue() -> Catalogue:
    [project, *_] = load_world().projects.values()
    told = [
        {
            "field_key": field.key,
            "field_name": field.name,
            "field_alias": field.alias,
            "field_type_key": field.type_as_given,
            "options": list(field.options),
            "is_obsoleted": field.is_obsoleted,
            "value_generate_mode": field.generate_mode,
        }
        for field in project.fields_of("story")
    ]
    fields = answers.fields(told)
    assert fields
    return Catalogue(tuple(fields))


def keys_of(words: list[str]) -> dict[str, str]:
    keys = {word: KEY_OF.get(word, word if word in KEY_OF.values() else None) for word in words}
    if missing := next((word for word, key in keys.items() if key is None), None):
        raise RefusedError(Code.UNKNOWN_PERSON, f"nobody has {missing!r}", is_name=True)
    return keys


def checks(catalogue: Catalogue | None = None) -> Checks:
    return Checks(catalogue or demo_catalogue(), keys_of, CHINA)


def verdict(intent: UpdateIntent, by: Checks | None = None) -> tuple[str, Any]:
    """("taken", the intent as it is sent) or (code, reason)."""
    try:
        return "taken", (by or checks()).checked(intent)
    except RefusedError as error:
        return str(error.refusal.code), error.refusal.reason
