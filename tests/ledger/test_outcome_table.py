"""Kinds of outcomes stand in one table. Every step, record, result and report goes by it, and nothing spells them beside it."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from feishu_batch import IntentState, Progress
from feishu_batch.outcomes import FIELDS, LABELS, SUCCESSES, OutcomeKind, holds_value
from tests.support.lane_kit import claim, new_intent
from worker.ledger import scripts
from worker.ledger.records import BatchState, Outcome
from worker.metrics.definitions import OUTCOMES
from worker.operating.details import ItemState

ROOT = Path(__file__).parents[2]
LUA = sorted((ROOT / "worker/ledger/lua").glob("*.lua"))
PYTHON = [path for folder in ("worker", "tasks", "client", "config") for path in (ROOT / folder).rglob("*.py")]
HOME = {"outcomes.py", "keys.py"}  # of feishu_batch: the letters; the fields

kinds = pytest.mark.parametrize("kind", OutcomeKind, ids=lambda kind: kind.label)


def test_letters_fields_and_labels_are_all_different():
    assert len(set(OutcomeKind)) == len(set(FIELDS)) == len(set(LABELS)) == len(OutcomeKind)
    assert all(len(kind) == 1 for kind in OutcomeKind)


@kinds
def test_a_script_counts_what_the_table_says(lane, record_of, redis, kind):
    lane.record([new_intent(1, [1])])
    detail = Outcome(kind, "c", "why") if kind is OutcomeKind.FAILED else Outcome(kind)
    batch = claim(lane)
    lane.advance(batch, state=BatchState.SENDING, settled=batch.by_cell({1: detail}), then=BatchState.RESEND, left=True)
    record = record_of(1)
    assert {field: record.get(field) for field in FIELDS} == dict.fromkeys(FIELDS) | {kind.field: "1"}
    assert redis.hget(lane.keys.named("metrics"), kind.field) == "1"
    stored = redis.hgetall(lane.keys.named("outcomes:1"))
    assert {text[0] for text in stored.values()} == ({str(kind)} - {str(OutcomeKind.SUCCEEDED)})
    ended = "succeeded" if kind.is_success else "failed"
    assert redis.zrange(lane.keys.named(f"ended:{ended}"), 0, -1) == ["1"]


@kinds
def test_a_result_goes_by_the_table(kind):
    progress = Progress(2, **{kind.label: 2})
    assert progress.settled == 2
    assert progress.counts()[kind.label] == 2
    assert (progress.state() is IntentState.SUCCEEDED) == kind.is_success


@pytest.mark.parametrize("good", sorted(SUCCESSES))
@pytest.mark.parametrize("bad", sorted(set(LABELS) - SUCCESSES))
def test_some_of_both_is_partial(good, bad):
    assert Progress(2, **{good: 1, bad: 1}).state() is IntentState.PARTIAL


def test_every_list_of_kinds_has_them_all():
    assert {field.name for field in fields(Progress)} >= set(LABELS)
    assert {OUTCOMES[field] for field in FIELDS} == set(LABELS)
    assert {ItemState(label).value for label in LABELS} == set(LABELS)
    ordered = (ROOT / "worker/web/static/parts.js").read_text()
    assert set(re.findall(r'"(\w+)"', re.search(r"ORDER = (\[.*\])", ordered)[1])) >= set(LABELS)


@pytest.mark.parametrize("path", LUA, ids=lambda path: path.stem)
def test_no_script_spells_a_letter_or_a_field(path):
    text = "\n".join(line.partition("--")[0] for line in path.read_text().splitlines())
    spelled = re.findall(r"'([a-z]{1,2})'", text)
    assert set(spelled) & {*OutcomeKind, *FIELDS} <= {"c"}, "c: the argument of an inbox entry"


def test_nothing_in_python_spells_a_field_of_the_table():
    spelled = {
        str(path.relative_to(ROOT)): found
        for path in PYTHON
        if path.name not in HOME and (found := set(re.findall(r"""["'](ok|fl|sp|cn|ex)["']""", path.read_text())))
    }
    assert {path: found - {"ok"} for path, found in spelled.items() if found - {"ok"}} == {}


def test_the_scripts_get_the_constants_that_they_name():
    text = scripts.script_text("advance")
    assert (
        f"local FIELD_OF = {{{', '.join(f'{kind} = {chr(39)}{kind.field}{chr(39)}' for kind in OutcomeKind)}}}" in text
    )


@kinds
def test_an_item_holds_the_value_after_each_success_but_that_of_a_newer_value(kind):
    """A failure that a retry has resolved is not listed: the retry may have found the cell as it should be."""
    stored = None if kind is OutcomeKind.SUCCEEDED else f'{kind}{{"code": "c"}}'
    assert holds_value(stored) == (kind.is_success and kind.label != "superseded")
