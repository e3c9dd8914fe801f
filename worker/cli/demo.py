"""`feishu-batch demo`: imports a file against the sandbox, from the first row to the closing table."""

import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import click
from rich.console import Console

from config.settings import ENV_PREFIX, Settings
from sandbox.process import SandboxProcess
from worker.cli.demo_check import complaints
from worker.cli.demo_table import show_table
from worker.cli.errors import DONE, SOME_FAILED, InterruptedByUserError
from worker.cli.import_report import ImportReport
from worker.cli.import_run import Asked, run_import
from worker.cli.output import console
from worker.cli.progress import display_for
from worker.cli.stack import Stack, prepared, termination_as_interrupt, wait_until_ready
from worker.importing.source import opened
from worker.operating.session import session_of
from worker.processes.supervisor import Supervisor

READY_WITHIN = 60.0
JOB_SECONDS = 0.6  # median of what a job takes in the sandbox
STOP_SECONDS = 15.0
LOG_TAIL = 15  # lines
CLEANED_UP = "interrupted; the demo has removed its processes and files"
PLAN = Path(__file__).with_name("sprint.csv")  # examples/sprint.csv in the repository is a link to it


@click.command("demo", short_help="Try everything in a minute, without an account.")
def demo() -> int:
    """Import 653 rows (706 field changes) into a simulator of Feishu Project. Needs no account and no Redis.

    Example:
      feishu-batch demo

    It starts an embedded server, the sandbox, the workers and beat in a temporary directory, and imports sprint.csv (the plan of a team's
    sprint; on purpose, the sandbox refuses a few items, and two rows are wrong). It shows the progress and prints the
    result of every change. Then it shows what a small table would change, imports it, and takes it back. It takes about a minute,
    changes nothing real, and leaves no process and no file behind.

    Exit codes: 0 all results are as expected; 1 some are not (it says which); 3 a component cannot run here; 130 Ctrl-C.
    """
    try:
        return _show(PLAN, console())
    except KeyboardInterrupt:
        raise InterruptedByUserError(CLEANED_UP) from None


def _show(plan: Path, out: Console) -> int:
    with ExitStack() as cleanup:
        cleanup.enter_context(_clean_environment())
        cleanup.enter_context(termination_as_interrupt())
        data_dir = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="feishu-batch-demo-")))
        sandbox = cleanup.enter_context(SandboxProcess(job_median=JOB_SECONDS, unset="null"))
        stack = cleanup.enter_context(prepared(_settings(sandbox.base_url, data_dir)))
        out.print("Starting Redis, the sandbox, the workers and beat …")
        log_dir = data_dir / "logs"
        run = _run_beside(stack, log_dir, lambda stop: _story(stack.settings, plan, sandbox, out, stop))
        return _verdict(run, sandbox, out, plan, log_dir)


@dataclass(frozen=True, slots=True)
class _DemoRun:
    """`complaints`: of the table."""

    report: ImportReport
    complaints: list[str]


def _story(
    settings: Settings, plan: Path, sandbox: SandboxProcess, out: Console, stop: threading.Event
) -> _DemoRun | None:
    """None: stopped before its end."""
    if not wait_until_ready(settings, os.getpid(), stop, READY_WITHIN):
        return None
    out.print(f"All are ready. Importing {plan.name}; one request of up to 50 changes may be sent each second.\n")
    with opened(str(plan), None, None) as file:
        source = replace(file, name=plan.name)  # its directory says nothing to the reader
        asked = Asked(wait=True, timeout=None, report=None, display=lambda total: display_for(out, total), aside=out)
        session = session_of(settings)
        report = run_import(session, source, out, asked, stop)
    found = [] if stop.is_set() else show_table(session, sandbox, Path(settings.data_dir), out, stop)
    return None if stop.is_set() else _DemoRun(report, found)


def _verdict(run: _DemoRun | None, sandbox: SandboxProcess, out: Console, plan: Path, log_dir: Path) -> int:
    found = complaints(run.report if run else None, sandbox, plan) + (run.complaints if run else [])
    if run:
        gaps = [e["minimal_gap"] for e in sandbox.report()["endpoints"] if e["endpoint"] == "batch_update"]
        spacing = f"never two within {min(gaps):.3f} s" if gaps and min(gaps) else "none"
        out.print(f"The sandbox counted the requests that arrived: {spacing}.\n", soft_wrap=True)
    if not found:
        out.print("All as expected: the failed and rejected ones above are part of the demo.", soft_wrap=True)
        return DONE
    for complaint in found:
        out.print(f"Not as expected: {complaint}", soft_wrap=True)
    _print_logs(out, log_dir)
    return SOME_FAILED


def _run_beside(stack: Stack, log_dir: Path, story: Callable[[threading.Event], _DemoRun | None]) -> _DemoRun | None:
    """The supervisor runs in this thread, because only the main thread may start children. The story runs in a second one and ends it."""
    results: list[_DemoRun | None] = []
    errors: list[Exception] = []
    stop = threading.Event()
    supervisor = Supervisor(stack.children, log_dir=log_dir, stop_seconds=STOP_SECONDS)

    def tell() -> None:
        try:
            results.append(story(stop))
        except Exception as error:  # noqa: BLE001 - raised again in the main thread
            errors.append(error)
        finally:
            if not stop.is_set():  # then the supervisor has ended already
                supervisor.request_stop()

    beside = threading.Thread(target=tell)
    beside.start()
    try:
        supervisor.run()
    finally:
        was_over = not beside.is_alive() or bool(results or errors)
        stop.set()
        beside.join()
    if not was_over:
        raise KeyboardInterrupt
    if errors:
        raise errors[0]
    return results[0]


def _settings(base_url: str, data_dir: Path) -> Settings:
    return Settings(
        base_url=base_url,
        plugin_id="demo",
        plugin_secret="demo",  # noqa: S106 - the sandbox takes any
        user_key="7300000000000000001",
        data_dir=data_dir,
        reads_behind_seconds=1,  # the sandbox shows at once what was written
    )


@contextmanager
def _clean_environment() -> Iterator[None]:
    """The children inherit our environment: no setting of a real deployment may reach the demo."""
    mine = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith((ENV_PREFIX, "CELERY_"))}
    try:
        yield
    finally:
        os.environ.update(mine)


def _print_logs(out: Console, log_dir: Path) -> None:
    for log in sorted(log_dir.glob("*.log")):
        lines = log.read_text(errors="replace").splitlines()[-LOG_TAIL:]
        out.print(f"\n--- {log.name}", *lines, sep="\n", soft_wrap=True)
