"""Which work items to export: ids of a text, or of a view. All are known before the first item is read."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Final
from urllib.parse import urlsplit

from worker.importing.cells import CellError, refuse_other_place
from worker.remote.limits import MAX_ITEMS_OF_VIEW, MAX_ITEMS_PER_QUERY, MAX_ITEMS_PER_VIEW_PAGE
from worker.remote.models import ViewPage
from worker.scratch import Scratch
from worker.writing.ids import IdError, ids_in

_SCHEMA: Final = """
CREATE TABLE items (number INTEGER PRIMARY KEY, item INTEGER UNIQUE);
"""
_VIEWS: Final = "view"  # in the address of a view, the part before its id: storyView, workObjectView, …


class ChosenError(Exception):
    """The ids cannot be used; the message says why."""


class ChosenIds(Scratch):
    """Each id once, in the order in which it was added. For one thread."""

    def __init__(self) -> None:
        super().__init__(_SCHEMA)

    def __len__(self) -> int:
        [count] = self._db.execute("SELECT count(*) FROM items").fetchone()
        return int(count)

    def add(self, ids: Iterable[int]) -> None:
        self._db.executemany("INSERT OR IGNORE INTO items (item) VALUES (?)", ((one,) for one in ids))

    def parts(self) -> Iterator[list[int]]:
        """As many as one request may read."""
        rows = self._db.execute("SELECT item FROM items ORDER BY number")
        while part := [row[0] for row in islice(rows, MAX_ITEMS_PER_QUERY)]:
            yield part


def add_lines(chosen: ChosenIds, lines: Iterable[str], space: str, type_key: str) -> None:
    """Ids, one or several in a line, in every form that an import takes. A first line without a digit is a heading. Raises `ChosenError`."""
    for number, line in enumerate(lines, start=1):
        text = line.strip().strip('"')
        if number == 1 and not any(one.isdigit() for one in text):
            continue
        try:
            found = ids_in(text) if text else None
            if found:
                refuse_other_place(found, {"project_key": space, "work_item_type_key": type_key})
                chosen.add(found.ids)
        except (IdError, CellError) as error:
            raise ChosenError(f"line {number}: {str(error).removeprefix('work_item_ids: ')}") from None


def view_id_in(given: str) -> str:
    """The id itself, or the id in the address of the view. Raises `ChosenError`."""
    if "/" not in given:
        return given.strip()
    parts = [part for part in urlsplit(given.strip()).path.split("/") if part]
    places = [at for at, part in enumerate(parts[:-1]) if part.lower().endswith(_VIEWS)]
    if not places:
        raise ChosenError(f"--view {given}: this is not the address of a view, like https://…/space/storyView/VIEW_ID")
    return parts[-1]


def add_view(chosen: ChosenIds, page_of: Callable[[int], ViewPage]) -> str:
    """Reads all pages; returns the name of the view. Raises `ChosenError` if it is certain that some are missing."""
    number, page = 1, page_of(1)
    total = page.total
    if total is not None and total > MAX_ITEMS_OF_VIEW:
        raise ChosenError(
            f"the view has {total:,} items; at most {MAX_ITEMS_OF_VIEW:,} of a view can be read: narrow it"
        )
    ids: Sequence[int] = page.ids
    while ids:
        chosen.add(ids)
        if len(ids) < MAX_ITEMS_PER_VIEW_PAGE or number * MAX_ITEMS_PER_VIEW_PAGE >= MAX_ITEMS_OF_VIEW:
            break
        number += 1
        ids = page_of(number).ids
    if total is not None and len(chosen) != total:
        raise ChosenError(
            f"the view has {total:,} items, but {len(chosen):,} were read: it changed meanwhile; try again"
        )
    return page.name
