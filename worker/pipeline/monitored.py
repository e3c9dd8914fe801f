"""Shows change sets and single intents in task monitors such as Flower, from their begin to their end. Runs in the sweep."""

import time
from collections.abc import Callable, Mapping
from typing import TypeVar

from redis import Redis

from feishu_batch.keys import IntentKeys, RecordField
from feishu_batch.results import view_of_record
from feishu_batch.set_reads import read_sets
from worker.ledger.shown_tasks import Marks, Shown, ShownTasks
from worker.pipeline.task_events import TaskEvents, TaskReport, about_intent, about_set

T = TypeVar("T")

# A burst must not flood the monitor: what is beyond these numbers is not shown.
NEW_SETS = 20  # in one sweep
MOST_SETS = 50  # at the same time
NEW_INTENTS = 20
MOST_INTENTS = 100
LOOKED_AT = 2000  # new intents in one sweep, of which those of change sets are left out


class Monitored:
    def __init__(
        self, redis: Redis, prefix: str, tasks: ShownTasks, events: TaskEvents, clock: Callable[[], float] = time.time
    ) -> None:
        self._redis = redis
        self._prefix = prefix
        self._tasks = tasks
        self._events = events
        self._clock = clock

    def run(self) -> int:
        """Returns how many tasks are on display."""
        marks = self._tasks.marks()
        sets, intents = self._tasks.sets(), self._tasks.intents()
        grown = self._tasks.grown_sets(marks.grown, NEW_SETS)
        new = [name for name, _ in grown if name not in sets][: max(0, MOST_SETS - len(sets))]
        self._show_sets(sets, new)
        self._show_intents(intents, marks)
        newest_set = max([marks.grown, *(at for _, at in grown)])
        if (marks.newest, newest_set) != (marks.intent, marks.grown):
            self._tasks.note_marks(marks.newest, newest_set)
        return len(sets) + len(new) + len(intents)

    def _show_sets(self, shown: dict[str, Shown], new: list[str]) -> None:
        names = [*shown, *new]
        found = read_sets(self._redis, self._prefix, names) if names else []
        known = [(name, counts) for name, counts in zip(names, found, strict=True) if counts]
        reports = {name: about_set(shown.get(name), counts, self._clock()) for name, counts in known}
        self._events.send(list(reports.values()))
        self._tasks.note_sets(
            _changed(shown, {name: reports[name].shown if name in reports else None for name in names})
        )

    def _show_intents(self, shown: dict[int, Shown], marks: Marks) -> None:
        first = max(marks.intent, marks.newest - LOOKED_AT)
        new = self._tasks.new_intents(first, marks.newest)[: min(NEW_INTENTS, max(0, MOST_INTENTS - len(shown)))]
        places = [*(self._tasks.place(number, one.lane) for number, one in shown.items()), *new]
        if not places:
            return
        of_celery = self._tasks.of_celery([place.number for place in places])
        reports = {
            place.number: self._about(shown.get(place.number), place, record)
            for place, record in zip(places, self._tasks.records(places), strict=True)
            if record and place.number not in of_celery
        }
        self._events.send(list(reports.values()))
        numbers = [place.number for place in places]
        after = {number: reports[number].shown if number in reports else None for number in numbers}
        self._tasks.note_intents(_changed(shown, after))

    def _about(self, shown: Shown | None, place: IntentKeys, record: dict[str, str]) -> TaskReport:
        view = view_of_record(record[RecordField.INTENT_ID], place, record, {})
        return about_intent(shown, view, None if shown else self._tasks.spec(place, record), self._clock())


def _changed(before: Mapping[T, Shown], after: Mapping[T, Shown | None]) -> dict[T, Shown | None]:
    return {name: one for name, one in after.items() if one != before.get(name)}
