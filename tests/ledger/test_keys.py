"""Each key and field of the ledger is spelled once in Python, is explained there, and stands in the map of docs/ledger.md."""

import inspect
import re
from pathlib import Path

import pytest

from feishu_batch.keys import InboxKeys, IntentKeys, RecordField, SetField
from worker.ledger.fields import BatchField, GroupField, MetricField, SingleField, SlotField
from worker.ledger.keys import LaneKeys, ScheduleKeys
from worker.ledger.route_keys import RouteKeys, SingleKeys
from worker.ledger.routes import BATCH

ROOT = Path(__file__).parents[2]
NAMES = ("keys.py", "route_keys.py", "fields.py")
HOMES = {ROOT / "client/feishu_batch/keys.py", *(ROOT / "worker/ledger" / name for name in NAMES)}
ELSEWHERE = [
    path
    for folder in ("worker", "tasks", "client", "config")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if path not in HOMES
]
LEDGER_MAP = (ROOT / "docs/ledger.md").read_text()
KEYS = LaneKeys("p", "x")
NOT_KEYS = {"named", "of_intent", "prefix", "lane", "head", "route", "singles"}


def names(cls):
    return [name for name in vars(cls) if not name.startswith("_") and name not in NOT_KEYS]


def spelled(keys, name):
    member = getattr(keys, name)
    return member if isinstance(member, str) else member(*["1"] * len(inspect.signature(member).parameters))


FAMILIES = {spelled(KEYS, name).removeprefix("p:{x}:").removesuffix("1") for name in names(LaneKeys)}


@pytest.mark.parametrize(
    "cls", [LaneKeys, RouteKeys, SingleKeys, InboxKeys, IntentKeys, ScheduleKeys], ids=lambda cls: cls.__name__
)
def test_every_key_is_explained(cls):
    members = [vars(cls)[name] for name in names(cls)]
    assert members
    assert [
        member for member in members if callable(member) or isinstance(member, property) if not member.__doc__
    ] == []


def test_every_key_of_a_lane_is_in_the_map():
    known = set(re.findall(r"`\{lane\}:([a-z:-]+)", LEDGER_MAP))
    assert {family for family in FAMILIES if not any(name.startswith(family) for name in known)} == set()


def test_every_key_of_a_route_is_in_the_map():
    own = {getattr(KEYS.route(BATCH), name).removeprefix(KEYS.head) for name in names(RouteKeys)}
    own |= {getattr(KEYS.singles, name).removeprefix(KEYS.head) for name in names(SingleKeys)}
    assert {key for key in own if f"`{{lane}}:{key}`" not in LEDGER_MAP} == set()


def test_no_fifty_outside_the_route_and_the_remotes_limits():
    """Where a request's bound is meant: beside items, batches or requests."""
    homes = HOMES | {ROOT / "worker/remote/limits.py", ROOT / "worker/ledger/histograms.py"}
    lua = [*(ROOT / "worker/ledger/lua").glob("*.lua")]
    found = {
        str(path.relative_to(ROOT)): lines
        for path in (*ELSEWHERE, *lua)
        if path not in homes
        and (
            lines := [
                line
                for line in path.read_text().splitlines()
                if re.search(r"(items|batch|full|size)\w*\W+50\b", line, re.IGNORECASE)
            ]
        )
        and any(not line.lstrip().startswith(("#", "--", '"')) for line in lines)
    }
    assert found == {}


def test_fields_of_batches_are_in_the_map():
    explained = set(re.findall(r"`(\w+)`", LEDGER_MAP))
    for cls in (RecordField, SetField, BatchField, GroupField, MetricField, SingleField, SlotField):
        values = {value for name, value in vars(cls).items() if name.isupper()}
        assert values - explained - {BatchField.NOW, BatchField.VERIFY, SlotField.AT, SlotField.ASKED} == set(), cls


@pytest.mark.parametrize("path", ELSEWHERE, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_key_is_spelled_elsewhere(path):
    """A hash tag in braces, or a family behind a prefix."""
    text = path.read_text()
    assert re.findall(r"\{\{(?:\{\w|front|lane)[^\"']*\}\}:", text) == []
    behind = "|".join(sorted((re.escape(family) for family in FAMILIES), key=len, reverse=True))
    assert re.findall(rf"\{{(?:\w+\.)*_?(?:prefix|own|head|lane)\}}(?:{behind})\b", text) == []
    assert re.findall(rf"(?:\.key|\.named)\(f?\"(?:{behind})", text) == []


ONLY_A_BATCH_HAS = {
    value
    for name, value in vars(BatchField).items()
    if name.isupper() and "_" in value  # the others are words that are used otherwise, too
}


@pytest.mark.parametrize("path", ELSEWHERE, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_field_of_a_batch_is_spelled_elsewhere(path):
    text = path.read_text()
    found = set(re.findall(r"number_field\(\s*\"(\w+)\"", text)) | set(
        re.findall(r"batch\.fields\.get\(\"(\w+)\"", text)
    )
    assert found | {field for field in ONLY_A_BATCH_HAS if f'"{field}"' in text} == set()
