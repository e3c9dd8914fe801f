"""The expected results of the demo: which items the sandbox refuses, and which rows of the plan are wrong."""

from collections.abc import Iterator
from pathlib import Path

from feishu_batch import UpdateIntent
from sandbox.process import SandboxProcess
from worker.cli.import_report import ImportReport
from worker.importing.row import Row
from worker.importing.rows import Format, read_rows
from worker.wording import first_few

# As in sandbox/worlds/demo.json, and an item that does not exist.
REFUSED = frozenset({1013, 1777, 5013, 1042, 2042, 5042, 999999})
WRONG_ROWS = 2


def complaints(report: ImportReport | None, sandbox: SandboxProcess, plan: Path) -> list[str]:
    """Each deviation from the expected results, as a sentence."""
    if report is None or report.totals is None:
        return ["the workers did not start in time"]
    intents = list(_intents(plan, report.import_id))
    items = [item for intent in intents for item in intent.work_item_ids]
    expected = sorted(item for item in items if item in REFUSED)
    failed = sorted(int(item) for group in report.failed for item, _ in group.items)
    totals = report.totals
    checks = (
        (report.rejected_count == WRONG_ROWS, f"{report.rejected_count} rows were rejected, not {WRONG_ROWS}"),
        (totals.total == len(items), f"{totals.total} changes were followed, not {len(items)}"),
        (totals.failed == len(expected), f"{totals.failed} changes failed, not {len(expected)}"),
        (failed == expected, f"the failed items are not the ones that the sandbox refuses: {first_few(failed, 20)}"),
        (totals.settled == totals.total, f"{totals.total - totals.settled} changes have no outcome"),
        (not (totals.canceled or totals.expired), "some changes were canceled or expired"),
    )
    return [text for is_expected, text in checks if not is_expected] + list(_broken_rules(sandbox))


def _broken_rules(sandbox: SandboxProcess) -> Iterator[str]:
    violations = sandbox.violations()
    for name in ("too_fast", "too_many_items", "overlaps"):
        if violations[name]:
            yield f"the sandbox saw {len(violations[name])} × {name.replace('_', ' ')}"


def _intents(plan: Path, import_id: str) -> Iterator[UpdateIntent]:
    with plan.open("rb") as stream:
        for row in read_rows(stream, Format.CSV, import_id):
            if isinstance(row, Row):
                yield row.intent
