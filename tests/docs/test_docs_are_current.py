"""What the documents say of settings, keys and messages is what the code has."""

import importlib.util
import io
import json
import re
import shlex
import sys
from pathlib import Path

import pytest
from dotenv import dotenv_values

from config.explain import variable_name
from config.settings import Settings, load_settings
from feishu_batch import IntentError, UpdateIntent, parse_intent
from feishu_batch.keys import InboxKeys, RecordField
from feishu_batch.outcomes import OutcomeKind
from tests.docs.pages import PAGES, README, ROOT, code_of, commands_of, text
from worker.ledger.fields import BatchField
from worker.ledger.records import BatchState
from worker.ledger.routes import BATCH, SINGLE
from worker.processes.roles import worker_children

VARIABLES = {variable_name(name): name for name in Settings.model_fields}


def generator():
    sys.path.append(str(ROOT / "docs"))  # as for a script: its parts are beside it
    spec = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs/generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_files_are_current():
    stale = [path.name for path, made in generator().generated().items() if path.read_text() != made]
    assert not stale, f"run: python docs/generate.py ({stale})"


def test_every_setting_is_on_the_page_once():
    named = re.findall(r"^- \*\*`(\w+)`\*\*", text("docs/settings.md"), re.MULTILINE)
    assert sorted(named) == sorted(VARIABLES)


def test_every_setting_has_a_meaning():
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


@pytest.mark.parametrize("page", [*PAGES, *(ROOT / "examples").glob("*.py")], ids=lambda page: page.name)
def test_only_real_settings_are_named(page):
    named = set(re.findall(r"FEISHU_BATCH_[A-Z_]*[A-Z]", page.read_text()))
    assert named <= VARIABLES.keys()


def test_the_example_environment_states_the_defaults():
    shown = re.sub(r"^#(?=FEISHU_BATCH_)", "", text(".env.example"), flags=re.MULTILINE)
    values = dotenv_values(stream=io.StringIO(shown))
    assert values.keys() == VARIABLES.keys()
    assert load_settings({name: value or "" for name, value in values.items()}).model_dump() == Settings().model_dump()


def test_the_example_environment_works_once_the_credentials_are_filled_in():
    filled = re.sub(r"^(FEISHU_BATCH_\w+)=$", r"\1=x", text(".env.example"), flags=re.MULTILINE)
    settings = load_settings({name: value or "" for name, value in dotenv_values(stream=io.StringIO(filled)).items()})
    assert settings.require_credentials() == ("x", "x", "x")


# --- the intent's schema --------------------------------------------------------------------------------------------

GOOD = {
    "project_key": "5f0c1a2b3c4d5e6f70818283",
    "work_item_type_key": "story",
    "work_item_ids": [1],
    "field_key": "f",
    "update_mode": "UPDATE",
    "after_field_value": None,
}


@pytest.mark.parametrize(
    "change",
    [
        {"project_key": "5F0C1A2B3C4D5E6F70818283"},
        {"work_item_ids": []},
        {"work_item_ids": [1, 1]},
        {"update_mode": "REPLACE"},
        {"update_mode": "REPLACE", "before_field_value": None},
    ],
)
def test_what_the_schema_adds_is_what_the_model_refuses(change):
    assert parse_intent(GOOD)
    with pytest.raises(IntentError):
        parse_intent({**GOOD, **change})


def test_the_schema_has_every_key():
    schema = json.loads(text("docs/intent.schema.json"))
    assert schema["properties"].keys() == UpdateIntent.model_fields.keys()
    assert sorted(schema["required"]) == sorted(GOOD)


# --- processes, events, the ledger ----------------------------------------------------------------------------------


def test_the_commands_of_the_processes_are_those_of_up():
    shown = [command for command in commands_of("docs/operating.md") if command.startswith("python -P -m celery")]
    children = worker_children(
        Settings(redis_url="redis://h/0", data_dir=Path("/var/lib/feishu-batch")), sys.executable
    )
    ran = [re.sub(r"\.\d+@%h", ".1@%h", shlex.join(["python", *child.argv[1:]])) for child in children]
    assert [shlex.join(shlex.split(command)) for command in shown] == ran


def test_named_log_events_exist():
    source = "".join(path.read_text() for path in (ROOT / "worker").rglob("*.py"))
    [paragraph] = [part for part in text("docs/operating.md").split("\n\n") if part.startswith("In the logs")]
    events = re.findall(r"`([a-z_]+\.[a-z_]+)`", paragraph)
    assert len(events) > 8
    assert [event for event in events if f'"{event}"' not in source] == []


def keys_in_lua():
    for path in (ROOT / "worker/ledger/lua").glob("*.lua"):
        yield from set(re.findall(r"P \.\. '([a-z:-]+)'", path.read_text())) - {"route:", "route:single:"}
        for route, of in ((BATCH, "R"), (SINGLE, "S")):
            yield from (
                f"route:{route.name}:{name}" for name in re.findall(rf"\b{of} \.\. '([a-z-]+)'", path.read_text())
            )


def keys_in_python():
    for path in (ROOT / "worker").rglob("*.py"):
        yield from re.findall(r'\bself\.named\(f?"([a-z:-]+)', path.read_text())
    yield from ("intent", "outcomes")  # `IntentKeys`


def test_every_key_of_a_lane_is_in_the_ledgers_map():
    known = re.findall(r"`\{lane\}:([a-z:-]+)", text("docs/ledger.md"))
    used = {key.rstrip(":") for key in (*keys_in_lua(), *keys_in_python())} - {"ended"}
    assert len(used) > 20
    missing = [key for key in sorted(used) if not any(name.rstrip(":") == key for name in known)]
    assert missing == []


def test_every_key_in_the_ledgers_map_is_used():
    known = {name.rstrip(":") for name in re.findall(r"`\{lane\}:([a-z:-]+)", text("docs/ledger.md"))}
    used = {key.rstrip(":") for key in (*keys_in_lua(), *keys_in_python())}
    assert [name for name in sorted(known) if name.partition(":")[0] not in {u.partition(":")[0] for u in used}] == []


def test_the_front_keys_are_in_the_ledgers_map():
    names = {name for name, member in vars(InboxKeys).items() if isinstance(member, property)}
    assert names == set(re.findall(r"`\{front\}:(\w+)`", text("docs/ledger.md")))


def test_the_fields_of_the_records_are_explained():
    explained = set(re.findall(r"`(\w+)`", text("docs/ledger.md")))
    fields = {value for name, value in vars(RecordField).items() if name.isupper()}
    letters = {str(kind) for kind in OutcomeKind}
    noted = {value for name, value in vars(BatchField).items() if name.isupper()} - {BatchField.NOW, BatchField.VERIFY}
    assert sorted((fields | letters | noted | set(BatchState)) - explained) == []


def test_the_readme_is_short():
    assert len(README.read_text().splitlines()) <= 100


def test_code_spans_are_found():
    assert "feishu-batch up" in code_of(README)
