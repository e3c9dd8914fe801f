"""Progress of reading a file and of many intents: bars on a terminal; elsewhere lines, or only problems."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as RichProgress
from rich.text import Text

from worker.cli.output import console
from worker.operating.tracking import Totals
from worker.wording import duration, some

LINE_EVERY = 3.0  # seconds
SAY_AGAIN = 30.0  # seconds after which an unchanged line is repeated, to show that the command still runs


@dataclass(frozen=True, slots=True)
class Figures:
    totals: Totals
    requests: int  # since the start, of the change set that is followed; without one, of the lanes for any intent
    slot_use: float  # share of the slots since the first request that were used
    seconds_left: float  # a lower bound
    remark: str = ""

    @property
    def line(self) -> str:
        sent = (
            f"{some(self.requests, 'request')} · {self.slot_use:.0%} of the slots used"
            if self.requests
            else "no request yet"
            if self.totals.open_intents
            else ""
        )
        return " · ".join(filter(None, (sent, self._left, self.remark)))

    @property
    def _left(self) -> str:
        if not self.totals.open_intents:
            return "done"
        if self.seconds_left:
            return f"at least {duration(self.seconds_left)} left"
        return "waiting for the last answers" if self.totals.accepted >= self.totals.total else ""


class Display(Protocol):
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None: ...
    def show(self, figures: Figures) -> None: ...


class Bars:
    def __init__(self, console: Console, total: int) -> None:
        self._bars = RichProgress(
            TextColumn("{task.description:<9}"), BarColumn(40), MofNCompleteColumn(), console=console
        )
        self._tasks = [self._bars.add_task(name, total=total) for name in ("accepted", "sent", "settled")]
        self._live = Live(self._bars, console=console, refresh_per_second=4)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._live.stop()

    def show(self, figures: Figures) -> None:
        totals = figures.totals
        for task, count in zip(self._tasks, (totals.accepted, totals.sent, totals.settled), strict=True):
            self._bars.update(task, completed=count)
        self._live.update(Group(self._bars, Text(figures.line)), refresh=True)


class ProgressLines:
    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._last = ""
        self._said_at = -SAY_AGAIN

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        pass

    def show(self, figures: Figures) -> None:
        t = figures.totals
        line = f"accepted {t.accepted}/{t.total} · sent {t.sent} · settled {t.settled} · {figures.line}"
        since = self._clock() - self._said_at
        if t.open_intents and since < (SAY_AGAIN if line == self._last else LINE_EVERY):
            return
        if line != self._last or since >= SAY_AGAIN:
            self._console.print(line, soft_wrap=True)
        self._last, self._said_at = line, self._clock()


class Quiet:
    """Prints only what blocks the work, when that changes; without a console, prints nothing."""

    def __init__(self, console: Console | None) -> None:
        self._console = console
        self._said = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        pass

    def show(self, figures: Figures) -> None:
        if self._console and figures.remark and figures.remark != self._said:
            self._console.print(figures.remark, soft_wrap=True)
        self._said = figures.remark


def display_for(console: Console, total: int) -> Display:
    return Bars(console, total) if console.is_terminal else ProgressLines(console)


@contextmanager
def reading_bar(console: Console, size: int | None) -> Iterator[Callable[[int, int | None], None]]:
    """Shows the rows and bytes read so far, on a terminal. `size`: bytes; None if unknown."""
    if not console.is_terminal:
        yield lambda _rows, _position: None
        return
    columns = TextColumn("reading  "), BarColumn(40), TextColumn("{task.fields[rows]:,} rows")
    with RichProgress(*columns, console=console, transient=True) as bars:
        task = bars.add_task("", total=size, rows=0)
        yield lambda rows, position: bars.update(task, completed=position, rows=rows)


@contextmanager
def items_bar(console: Console, total: int | None) -> Iterator[Callable[[int], None]]:
    """Shows how many work items have been read, on a terminal. `total`: None if unknown."""
    if not console.is_terminal:
        yield lambda _count: None
        return
    columns = TextColumn("reading  "), BarColumn(40), MofNCompleteColumn(), TextColumn("items")
    with RichProgress(*columns, console=console, transient=True) as bars:
        task = bars.add_task("", total=total)
        yield lambda count: bars.update(task, completed=count)


def usual_display(*, as_json: bool) -> Callable[[int], Bars | Quiet]:
    """Bars on a terminal; elsewhere only problems; with --json nothing."""
    shown, aside = console(stderr=as_json), console(stderr=True)
    if shown.is_terminal:
        return lambda total: Bars(shown, total)
    return lambda _: Quiet(None if as_json else aside)
