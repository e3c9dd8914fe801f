"""Documents, alert rules and the dashboard name metrics that a scrape has, and labels that these have."""

import json
import re
from importlib import resources
from pathlib import Path

import pytest
import yaml

from feishu_batch.packing import PackedIntent
from tests.pipeline.intake_kit import wish
from worker.catalogue.models import Code
from worker.ledger.histograms import BOUNDS
from worker.ledger.inbox import Inbox
from worker.ledger.scripts import script_text
from worker.metrics import definitions

ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "deploy/prometheus/alerts.yml"
DASHBOARD = ROOT / "deploy/grafana/feishu-batch.json"
NAME = re.compile(r"\bfeishu_batch_[a-z_]+\b")
SELECTOR = re.compile(r"\b(feishu_batch_[a-z_]+)\{([^}]*)\}")


@pytest.fixture
def told(look, redis, prefix):
    Inbox(redis, prefix).enqueue(PackedIntent.of(wish("one", change_set="nightly")))
    return look(metrics_sets=["nightly"])


def rules():
    [group] = yaml.safe_load(ALERTS.read_text())["groups"]
    return group["rules"]


def panels():
    return json.loads(DASHBOARD.read_text())["panels"]


def expressions():
    targets = [target["expr"] for panel in panels() for target in panel.get("targets", [])]
    return [rule["expr"] for rule in rules()] + targets


@pytest.mark.parametrize("text", [ALERTS, DASHBOARD, ROOT / "docs/metrics.md"], ids=lambda path: path.name)
def test_every_named_metric_is_exposed(told, text):
    types = {line.split()[2] for line in told.text.splitlines() if line.startswith("# TYPE")}
    named = set(NAME.findall(text.read_text()))
    assert len(named) > 10
    assert named - told.names - types == set()


def test_every_label_that_is_selected_by_exists_with_that_value(told):
    wrong = []
    for expression in expressions():
        for name, selector in SELECTOR.findall(expression):
            for label, operator, value in re.findall(r'(\w+)(=~|=)"([^"]*)"', selector):
                values = {sample.labels.get(label) for sample in told.samples if sample.name == name}
                if values == {None} or (operator == "=" and value not in values):
                    wrong.append((name, label, value))
    assert wrong == []


def test_every_metric_is_on_the_dashboard_or_can_be_found_in_the_reference(told):
    _, _, section = (ROOT / "docs/metrics.md").read_text().partition("## Reference\n")
    rows = re.findall(r"\*\*`(\w+)`\*\* \((\w+)(?:, )?([\w, ]*)\): (.*?)(?= - \*\*|$)", " ".join(section.split()))
    assert rows == definitions.reference()
    exposed = {line.split()[2]: line.split()[3] for line in told.text.splitlines() if line.startswith("# TYPE")}
    assert exposed == {name: kind for name, kind, _, _ in rows}


def test_the_labels_of_the_reference_are_those_of_the_samples(told):
    for name, kind, labels, _ in definitions.reference():
        suffix = "_count" if kind == "histogram" else ""
        found = {tuple(sorted(sample.labels)) for sample in told.samples if sample.name == name + suffix}
        assert found == {tuple(sorted(filter(None, labels.split(", "))))}, name


def test_the_kinds_of_answers_and_reasons_are_explained():
    text = (ROOT / "docs/metrics.md").read_text()
    assert [word for word in (*definitions.ANSWERS, *definitions.REASONS) if f"`{word}`" not in text] == []


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_every_alert_says_what_is_wrong_and_what_to_do(rule):
    assert rule["labels"]["severity"] in {"warning", "critical"}
    assert set(rule["annotations"]) == {"summary", "action"}
    assert all(len(text) > 20 for text in rule["annotations"].values())
    assert "{{" not in rule["annotations"]["action"]


def test_what_must_be_alerted_is():
    watched = " ".join(rule["expr"] for rule in rules())
    for name in (
        "paused", "oldest_intent_age_seconds", "slot_idle_now_seconds", "standstill_seconds", "slot_idle_seconds_total", "unknown_outcomes_total",
        'answers_total{answer="rate_limited"}', "last_sweep_timestamp_seconds", "outbox_overdue_seconds",
        "inbox_oldest_age_seconds",
    ):  # fmt: skip
        assert f"feishu_batch_{name}" in watched


def test_the_panels_of_the_dashboard_do_not_overlap_and_their_lane_is_chosen():
    taken = set()
    for panel in panels():
        at = panel["gridPos"]
        fields = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not fields & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= fields
    per_lane = [expr for expr in expressions() if "$__rate_interval" in expr]
    assert all('lane=~"$lane"' in expr for expr in per_lane)
    assert [panel["repeat"] for panel in panels() if "repeat" in panel] == ["lane"]


def test_a_share_of_nothing_is_shown_as_idle_and_not_as_an_alarm():
    """0/0 is NaN, which would be shown as such, in the colour of the lowest threshold."""
    shares = [one for one in panels() if one["type"] == "stat" and " / " in one["targets"][0]["expr"]]
    assert len(shares) > 1
    for panel in shares:
        [mapping] = panel["fieldConfig"]["defaults"]["mappings"]
        assert (mapping["type"], mapping["options"]["match"]) == ("special", "null+nan"), panel["title"]


def test_the_metrics_know_each_histogram_that_a_script_observes():
    scripts = (resources.files("worker.ledger") / "lua").iterdir()
    observed = {name for script in scripts for name in re.findall(r"observe\('(\w+)'", script.read_text())}
    known = {one.field: one.bounds for one in definitions.METRICS if isinstance(one, definitions.Histogram)}
    assert {name: BOUNDS[name] for name in observed} == known


def test_what_the_catalogue_refuses_is_a_class_of_its_own():
    text = script_text("refuse")
    assert [code for code in Code if f"{code} = 'refused_at_intake'" not in text] == []


def test_the_scripts_and_the_metrics_have_the_same_reasons():
    [table] = re.findall(r"REASON_OF = {(.*?)}", script_text("advance"), re.DOTALL)
    named = set(re.findall(r"'(\w+)'", table)) | {"other"}
    assert named == set(definitions.REASONS)
