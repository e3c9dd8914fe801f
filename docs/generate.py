"""Writes what is derived from the code: docs/settings.md, commands.md, errors.md, the two schemas and .env.example.

python docs/generate.py     after a change of the settings, of a command or of the intent; a test says when that is due
"""  # noqa: INP001 - a script, in no package

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from errors_page import errors_page, wrapped
from pydantic import TypeAdapter
from pydantic.fields import FieldInfo

from config.dashboard import Dashboard
from config.explain import variable_name
from config.lookups import LookupSettings
from config.pace import Pace
from config.remote_facts import RemoteFacts
from config.settings import Settings
from feishu_batch import IntentState, Result, UpdateIntent
from worker.cli.main import cli
from worker.metrics import definitions

ROOT = Path(__file__).parents[1]
SETTINGS, COMMANDS = ROOT / "docs/settings.md", ROOT / "docs/commands.md"
ERRORS, METRICS = ROOT / "docs/errors.md", ROOT / "docs/metrics.md"
INTENT, RESULT = ROOT / "docs/intent.schema.json", ROOT / "docs/result.schema.json"
EXAMPLE = ROOT / ".env.example"

CREDENTIALS = ("plugin_id", "plugin_secret", "user_key")
SECTIONS = {
    "The remote system, and our credentials": "base_url",
    "Storage": "redis_url",
    "Retention, logs and traces": "retain_finished_days",
    "The status page": "dashboard_enabled",
    "The field catalogue": "catalogue",
    "Slots and batches": "slot_seconds",
    "Endurance": "lease_seconds",
    "What is believed about the remote system": "error_classes",
}

HEAD = """\
# Settings

Every setting of the workers and of the command is a variable in the environment, or a line of a file `.env` in the working directory;
the environment has priority. An empty variable counts as absent. A wrong value stops the start with a sentence that names the variable.
Durations are seconds. Lists are written `A,B` or as JSON, objects as JSON. The default is in brackets.

Producers read only these five: `FEISHU_BATCH_REDIS_URL`, `FEISHU_BATCH_REDIS_PASSWORD_FILE`, `FEISHU_BATCH_BROKER_URL`,
`FEISHU_BATCH_RESULT_BACKEND`, `FEISHU_BATCH_KEY_PREFIX`. Several credentials: see [the lanes file](operating.md#several-credentials-the-lanes-file).

<!-- Written by docs/generate.py. -->
"""
COMMANDS_HEAD = """\
# Commands

What `feishu-batch COMMAND --help` prints, in one place. When to use what: [operating.md](operating.md).
`feishu-batch sandbox --help` also lists that command's options and faults.

<!-- Written by docs/generate.py. -->
"""
HELP_WIDTH = 110
RFC_3339 = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})$"
EXAMPLE_HEAD = """\
# Copy to .env and fill in the first three; all other settings have the default shown.
# All settings with their meaning: docs/settings.md. This file is written by docs/generate.py.
"""


def settings_page() -> str:
    return HEAD + "".join(_section(title, names) for title, names in sections().items())


def sections() -> dict[str, list[str]]:
    """Names of settings by the title of their section, in the order in which they are declared."""
    names = [
        name
        for part in (Settings, Dashboard, LookupSettings, Pace, RemoteFacts)
        for name in part.__annotations__
        if name in _fields()
    ]
    starts = [names.index(first) for first in SECTIONS.values()]
    bounds = zip(starts, [*starts[1:], len(names)], strict=True)
    return {title: names[start:end] for title, (start, end) in zip(SECTIONS, bounds, strict=True)}


def default_text(name: str) -> str:
    """The default as one writes it into a variable; empty if there is none."""
    default = _fields()[name].get_default(call_default_factory=True)
    if default is None:
        return ""
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, float):
        return f"{default:g}"
    if isinstance(default, tuple):
        return ",".join(map(str, default))
    return json.dumps(default) if isinstance(default, dict) else str(default)


def commands_page() -> str:
    shown = (
        f"\n## {name.removeprefix('feishu-batch ')}\n\n```text\n{text}\n```\n"
        for name, text in _helps("feishu-batch", cli)
    )
    return COMMANDS_HEAD + "".join(shown)


def _helps(name: str, command: click.Command) -> Iterator[tuple[str, str]]:
    """The help of a command, then of each of those that it consists of."""
    context = click.Context(command, info_name=name, terminal_width=HELP_WIDTH, help_option_names=["-h", "--help"])
    text = command.get_help(context)
    yield name, "\n".join(line.rstrip() for line in text.splitlines())
    if isinstance(command, click.Group):
        for part in command.list_commands(context):
            if found := command.get_command(context, part):
                yield from _helps(f"{name} {part}", found)


def example_file() -> str:
    filled = [f"{variable_name(name)}=\n" for name in CREDENTIALS]
    return EXAMPLE_HEAD + "".join(filled) + "".join(_example_section(t, names) for t, names in sections().items())


def intent_schema() -> str:
    """What pydantic derives, and what our own validators add to it."""
    schema = UpdateIntent.model_json_schema()
    properties = schema["properties"]
    properties["project_key"] |= {
        "pattern": "^[0-9A-Za-z_]{1,64}$",
        "not": {"allOf": [{"pattern": "^[0-9A-Fa-f]{24}$"}, {"pattern": "[A-F]"}]},  # a key in capitals
        "description": "The space's key, or its simple name.",
    }
    properties["field_key"] |= {
        "pattern": r"^\S(.*\S)?$",
        "description": "The field's key, alias or name: printable, in one line.",
    }
    properties["work_item_ids"] |= {
        "minItems": 1,
        "uniqueItems": True,
        "description": "Integers, written without a decimal point.",
    }
    properties["expires_at"]["anyOf"][0]["pattern"] = RFC_3339
    properties["expires_at"]["description"] = "As in RFC 3339, with its offset from UTC."
    for name in ("before_field_value", "after_field_value"):
        properties[name]["description"] = (
            "Any JSON up to 64 KiB, at most 32 levels deep, integers of 64 bits. A text, number or date whose meaning the field's"
            ' type decides may be written as {"$text": "1.10"}, {"$number": "1.10"} or {"$date": "2030-01-31"}.'
        )
    replace = {"properties": {"update_mode": {"const": "REPLACE"}}}
    present = {"required": ["before_field_value"], "properties": {"before_field_value": {"not": {"type": "null"}}}}
    return _schema_text({**schema, "if": replace, "then": present})


def result_schema() -> str:
    """Of what the Celery task returns, and of the second argument of its exception."""
    schema = TypeAdapter(Result).json_schema()
    state = schema["$defs"]["IntentState"]
    state["enum"] = [one.value for one in IntentState if one.is_final]
    state["description"] = "How the intent ended."
    why = {"code": {}, "reason": {"type": "string"}}
    schema["properties"]["failed"] = {
        "description": "By the work item's id.",
        "type": "object",
        "additionalProperties": {"type": "object", "properties": why, "required": list(why)},
    }
    return _schema_text(schema)


def metrics_page() -> str:
    """Its last section is made from the definitions, the rest is written by hand."""
    by_hand, mark, _ = METRICS.read_text(encoding="utf-8").partition("## Reference\n")
    told = (
        (f"**`{name}`** ({', '.join(filter(None, (kind, labels)))}): {meaning}", "  ")
        for name, kind, labels, meaning in definitions.reference()
    )
    return f"{by_hand}{mark}\nType and labels are in brackets.\n\n" + "".join(f"- {wrapped(*one)}" for one in told)


def _schema_text(schema: dict[str, Any]) -> str:
    document = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def generated() -> dict[Path, str]:
    return {
        SETTINGS: settings_page(),
        COMMANDS: commands_page(),
        ERRORS: errors_page(),
        METRICS: metrics_page(),
        INTENT: intent_schema(),
        RESULT: result_schema(),
        EXAMPLE: example_file(),
    }


def _fields() -> dict[str, FieldInfo]:
    return Settings.model_fields


def _section(title: str, names: list[str]) -> str:
    return f"\n## {title}\n\n" + "".join(_entry(name) for name in names)


def _entry(name: str) -> str:
    default = default_text(name)
    shown = f" (`{default}`)" if default else ""
    return f"- {wrapped(f'**`{variable_name(name)}`**{shown}: {_meaning(name)}', '  ')}"


def _meaning(name: str) -> str:
    return _fields()[name].description or ""


def _example_section(title: str, names: list[str]) -> str:
    return f"\n# --- {title}\n" + "".join(_example_lines(names))


def _example_lines(names: list[str]) -> Iterator[str]:
    for name in names:
        if name not in CREDENTIALS:
            yield f"# {_meaning(name)}\n#{variable_name(name)}={_quoted(default_text(name))}\n"


def _quoted(text: str) -> str:
    return f"'{text}'" if any(character in text for character in ' "$#{') else text


def main() -> None:
    texts: dict[Path, Any] = generated()
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
