"""The benchmarks' own arithmetic, and that each can be started. What they measure is no test's business."""

import importlib
import json
import sys
from pathlib import Path

import pytest

from bench.common import Report, Row, quantile
from bench.pacing import rejected_per_1000, slot_use
from bench.packing import Arrival, by_windows, plan_with_hindsight
from bench.polling import Learned, simulate

ROOT = Path(__file__).parents[2]
NAMES = sorted(
    path.stem for path in (ROOT / "bench").glob("*.py") if 'if __name__ == "__main__"' in path.read_text("utf-8")
)


@pytest.mark.parametrize("name", NAMES)
def test_each_benchmark_parses_its_command_line(name, monkeypatch):
    monkeypatch.setattr(sys, "argv", [name, "--smoke"])
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(f"bench.{name}").main()
    assert ended.value.code == 0


@pytest.mark.parametrize("name", NAMES)
def test_each_benchmark_is_part_of_make_bench(name):
    assert f" {name}" in (ROOT / "Makefile").read_text("utf-8")


@pytest.mark.parametrize(
    ("measured", "target", "verdict"), [(1.0, "≤ 1", "ok"), (1.01, "≤ 1", "MISSED"), (5, "≥ 5", "ok"), (5, "", "")]
)
def test_a_row_knows_whether_it_reached_its_target(measured, target, verdict):
    assert Row("x", measured, "", target).verdict == verdict


def test_quantiles():
    assert quantile([3, 1, 2], 0.5) == 2
    assert quantile(list(range(100)), 0.99) == 99


def test_slot_use_leaves_out_the_start_and_counts_a_stall_at_the_end():
    every_second = [float(at) for at in range(20)]
    assert slot_use({"accepted": every_second, "now": 20.5}, 1.0) == 1.0
    assert slot_use({"accepted": every_second, "now": 33.0}, 1.0) == 0.5
    assert slot_use({"accepted": [], "now": 5.0}, 1.0) == 0.0


def test_rejected_per_thousand_counts_all_arrivals():
    assert rejected_per_1000({"accepted": [1.0] * 3, "rejected": [1.5]}) == 250


def test_the_plan_fills_batches_and_leaves_no_slot_empty():
    assert plan_with_hindsight([Arrival(0, 1, tuple(range(120)))]) == 3
    assert plan_with_hindsight([Arrival(0, 1, (1,)), Arrival(9, 1, (2,))]) == 2
    assert by_windows([Arrival(0, 1, (1,)), Arrival(4.9, 1, (2,)), Arrival(5.1, 1, (3,))]) == 2


def test_the_simulated_lane_polls_each_job_at_least_once():
    seen = simulate(Learned(), load=0.3, typical=2.0, jobs=100)
    assert min(seen.polls) >= 1
    assert min(seen.lags) >= 0


def test_a_report_says_what_the_machine_is(tmp_path, capsys):
    report = Report("name", "Title", quick=True)
    report.folder = tmp_path
    report.add("what", 2.0, "ms", "≤ 1")
    report.write()
    told = json.loads((tmp_path / "name.json").read_text("utf-8"))
    assert told["machine"]["cores"] >= 1
    assert told["rows"][0]["verdict"] == "MISSED"
    assert "MISSED" in (tmp_path / "name.txt").read_text("utf-8")
