"""A real Prometheus scrapes a lane at work: every panel and every alert tells something, and the figures are what the sandbox saw."""

import math
import time

import pytest

from tests.metrics.promtool import prometheus, promtool
from tests.metrics.test_metrics_files import ALERTS, panels, rules
from tests.metrics.test_metrics_served import environment, get, serving
from tests.support.model import intent
from tests.support.programs import require
from tests.support.waiting import PATIENCE

__all__ = ["environment"]  # a fixture
pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex")  # by Celery's result backend
EVERY = 1  # seconds
SCRAPES = 4  # a rate wants two of them


@pytest.fixture
def scraped(environment, tmp_path, pipeline):
    """Asks a Prometheus that has seen the pipeline work, and goes on doing so."""
    require("prometheus", "promtool")
    with (
        serving(environment, "127.0.0.1:0") as port,
        prometheus(tmp_path, f"127.0.0.1:{port}", ALERTS, f"{EVERY}s") as server,
    ):
        until(lambda: server.series("up == 1"), "the first scrape")
        work(pipeline)
        time.sleep(SCRAPES * EVERY)
        yield server, port


def until(condition, what):
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < deadline, what
        time.sleep(0.1)
    return found


def work(pipeline):
    """Some of it succeeds, some is refused in different ways; and at the end something waits."""
    wishes = [
        intent(range(1201, 1400), "a"),
        intent([1013], "a"),
        intent([9999], "a"),
        intent([1401], "x", field_key="none"),
    ]
    for wish in wishes:
        pipeline.finish(*pipeline.client.enqueue_many([wish]))
        time.sleep(EVERY)  # so that the counters grow from one scrape to the next
    pipeline.lane.lane.pause("for the test", polling=True)
    pipeline.client.enqueue_many([intent([1501], "b")])
    pipeline.runtime.intake.drain()


def test_panels_alerts_and_figures_of_a_real_prometheus(scraped, sandbox):
    server, port = scraped
    check_panels(server)
    check_alerts(server)
    check_figures(server, sandbox)
    assert promtool("check", "metrics", given=get(port)[1]) == ""


def check_panels(server):
    told = {}
    for panel in panels():
        for target in panel.get("targets", []):
            expression = target["expr"].replace("$__rate_interval", "1m").replace("$lane", "default")
            told[panel["title"], target["legendFormat"]] = [value for _, value in server.series(expression)]
    assert [name for name, values in told.items() if not values] == []
    numbers = {name for name, values in told.items() if not any(map(math.isnan, values))}
    assert set(told) - numbers == set()
    lanes = server.asked("label/lane/values", **{"match[]": "feishu_batch_paused"})
    assert lanes == ["default"]  # what the dashboard's variable asks for


def check_alerts(server):
    [group] = server.asked("rules")["groups"]
    assert {one["name"]: (one["health"], one.get("lastError")) for one in group["rules"]} == {
        rule["alert"]: ("ok", None) for rule in rules()
    }
    states = {one["name"]: one["state"] for one in group["rules"]}
    assert states["FeishuBatchLanePaused"] == "pending"  # it has to last
    assert states["FeishuBatchDown"] == "inactive"


def check_figures(server, sandbox):
    def value(expression):
        [(_, number)] = server.series(expression)
        return number

    batches = sandbox.report(with_items=True)["batches"]
    assert value("sum(feishu_batch_requests_total)") == len(batches)
    assert value("sum(feishu_batch_batch_items_sum)") == sum(len(batch["item_ids"]) for batch in batches)
    ended = {labels["outcome"]: number for labels, number in server.series("feishu_batch_ended_changes_total > 0")}
    assert ended == {"succeeded": 199, "failed": 3}
    failed = {labels["reason"]: number for labels, number in server.series("feishu_batch_failed_changes_total > 0")}
    assert failed == {"item_refused": 2, "refused_at_intake": 1}
    assert value("feishu_batch_pending_changes") == 1
