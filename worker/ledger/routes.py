"""Routes: by which endpoint of the remote system changes go. What one request holds, its lease, its slot and its ranking are a route's."""

from dataclasses import dataclass
from typing import Final

from worker.remote.limits import MAX_FIELDS_PER_UPDATE, MAX_ITEMS_PER_BATCH


@dataclass(frozen=True, slots=True)
class Route:
    name: str
    items: int  # changes of one request at most
    endpoint: str  # whose slot each request takes


BATCH: Final = Route("batch", items=MAX_ITEMS_PER_BATCH, endpoint="submit")  # many items, one field
SINGLE: Final = Route("single", items=MAX_FIELDS_PER_UPDATE, endpoint="single")  # one item, several fields
