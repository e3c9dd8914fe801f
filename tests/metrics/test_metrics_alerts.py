"""Alert rules by Prometheus's own test of rules: each fires on the trouble it is for, and on nothing that is normal."""

import pytest
import yaml

from tests.metrics.promtool import promtool
from tests.metrics.test_metrics_files import ALERTS, rules
from tests.support.programs import require

LANE = 'lane="a"'
PATIENCE = "2h"  # until which the trouble lasts; in steps of 30 s
# By alert: the series while there is trouble, and while all is well. `0+30x240`: 30 more each 30 s.
CASES = {
    "FeishuBatchDown": ({'up{job="feishu-batch"}': "0x240"}, {'up{job="feishu-batch"}': "1x240"}),
    "FeishuBatchLanePaused": (
        {f"feishu_batch_paused{{{LANE}}}": "1x240"},
        {f"feishu_batch_paused{{{LANE}}}": "0x230 1x10"},  # for less than 5 minutes
    ),
    "FeishuBatchNothingIsSent": (
        {f"feishu_batch_slot_idle_now_seconds{{{LANE}}}": "0+30x240"},
        {f"feishu_batch_slot_idle_now_seconds{{{LANE}}}": "0 50 0 59" + " 2x236"},
    ),
    "FeishuBatchLaneStandsStill": (
        {f"feishu_batch_standstill_seconds{{{LANE}}}": "0+30x240"},
        {f"feishu_batch_standstill_seconds{{{LANE}}}": "0 25 0 29" + " 2x236"},  # a successor takes over
    ),
    "FeishuBatchRemoteFails": (
        {f'feishu_batch_strikes{{{LANE},endpoint="poll"}}': "0+1x240", f"feishu_batch_open_intents{{{LANE}}}": "1x240"},
        {f'feishu_batch_strikes{{{LANE},endpoint="poll"}}': "9x240", f"feishu_batch_open_intents{{{LANE}}}": "0x240"},
    ),
    "FeishuBatchSlotsUnused": (
        {
            f"feishu_batch_slot_idle_seconds_total{{{LANE}}}": "0+15x240",  # half of them
            f"feishu_batch_requests_total{{{LANE}}}": "0+15x240",
            f"feishu_batch_slot_seconds{{{LANE}}}": "1x240",
        },
        {
            f"feishu_batch_slot_idle_seconds_total{{{LANE}}}": "0+1x240",
            f"feishu_batch_requests_total{{{LANE}}}": "0+29x240",
            f"feishu_batch_slot_seconds{{{LANE}}}": "1x240",
        },
    ),
    "FeishuBatchBacklogGrowsOld": (
        {
            f"feishu_batch_oldest_intent_age_seconds{{{LANE}}}": "3000+30x240",
            f"feishu_batch_pending_changes{{{LANE}}}": "10+10x240",
        },
        {  # a sync that is enqueued within an hour and worked off in the next two
            f"feishu_batch_oldest_intent_age_seconds{{{LANE}}}": "0+30x240",
            f"feishu_batch_pending_changes{{{LANE}}}": "0+100x120 12000-50x240",
        },
    ),
    "FeishuBatchSetDidNotEnd": (
        # Promtool's time begins at 0: this set began two hours ago or was enqueued before that.
        {'feishu_batch_set_open{set="s"}': "1x240", 'feishu_batch_set_enqueued_timestamp_seconds{set="s"}': "-20000x240"},
        {'feishu_batch_set_open{set="s"}': "1x100 0x140", 'feishu_batch_set_enqueued_timestamp_seconds{set="s"}': "-20000x240"},
    ),
    "FeishuBatchRejectedByLimit": (
        {f'feishu_batch_answers_total{{{LANE},endpoint="submit",answer="rate_limited"}}': "0+1x240"},
        {f'feishu_batch_answers_total{{{LANE},endpoint="submit",answer="rate_limited"}}': "0x230 3x10"},
    ),
    "FeishuBatchUnknownOutcomes": (
        {f"feishu_batch_unknown_outcomes_total{{{LANE}}}": "0+1x240"},
        {f"feishu_batch_unknown_outcomes_total{{{LANE}}}": "0x230 2x10"},
    ),
    "FeishuBatchOutcomeNeverKnown": (
        {f'feishu_batch_failed_changes_total{{{LANE},reason="outcome_unknown"}}': "0x200 1x40"},
        {f'feishu_batch_failed_changes_total{{{LANE},reason="item_refused"}}': "0+9x240"},
    ),
    "FeishuBatchManyFailures": (
        {
            f'feishu_batch_ended_changes_total{{{LANE},outcome="failed"}}': "0+10x240",
            f'feishu_batch_ended_changes_total{{{LANE},outcome="succeeded"}}': "0+30x240",
        },
        {
            f'feishu_batch_ended_changes_total{{{LANE},outcome="failed"}}': "0+10x240",
            f'feishu_batch_ended_changes_total{{{LANE},outcome="succeeded"}}': "0+1000x240",
        },
    ),
    "FeishuBatchNobodySweeps": (
        {f"feishu_batch_last_sweep_timestamp_seconds{{{LANE}}}": "2x240"},
        {f"feishu_batch_last_sweep_timestamp_seconds{{{LANE}}}": "0+30x240"},
    ),
    "FeishuBatchInboxGrows": (
        {"feishu_batch_inbox_oldest_age_seconds": "0+30x240"},
        {"feishu_batch_inbox_oldest_age_seconds": "0 30 90 20" + " 1x236"},
    ),
    "FeishuBatchOutboxOverdue": (
        {f"feishu_batch_outbox_overdue_seconds{{{LANE}}}": "0+30x240"},
        {f"feishu_batch_outbox_overdue_seconds{{{LANE}}}": "5x240"},
    ),
    "FeishuBatchJobsNotFollowed": (
        {f"feishu_batch_read_back_overdue_seconds{{{LANE}}}": "0+30x240", f"feishu_batch_poll_overdue_seconds{{{LANE}}}": "0x240"},
        {f"feishu_batch_read_back_overdue_seconds{{{LANE}}}": "0x240", f"feishu_batch_poll_overdue_seconds{{{LANE}}}": "30x240"},
    ),
}  # fmt: skip


@pytest.fixture(autouse=True)
def _prometheus():
    require("promtool")


def case(name, series, *, fires):
    firing = f'sum by (alertname) (ALERTS{{alertname="{name}", alertstate="firing"}})'
    expected = [{"labels": f'{{alertname="{name}"}}', "value": 1}] if fires else []
    return {
        "interval": "30s",
        "input_series": [{"series": one, "values": values} for one, values in series.items()],
        "promql_expr_test": [{"expr": firing, "eval_time": PATIENCE, "exp_samples": expected}],
    }


def test_the_rules_are_well_formed():
    assert f"{len(rules())} rules found" in promtool("check", "rules", ALERTS)


def test_every_alert_has_a_case():
    assert set(CASES) == {rule["alert"] for rule in rules()}


@pytest.mark.parametrize("name", CASES)
def test_an_alert_fires_in_trouble_and_is_silent_otherwise(name, tmp_path):
    trouble, well = CASES[name]
    tests = [case(name, trouble, fires=True), case(name, well, fires=False)]
    file = tmp_path / "test.yml"
    file.write_text(yaml.safe_dump({"rule_files": [str(ALERTS)], "evaluation_interval": "30s", "tests": tests}))
    promtool("test", "rules", file)
