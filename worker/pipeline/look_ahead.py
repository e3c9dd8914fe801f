"""Looks at cells before their changes are sent, and skips what is not needed. A change that cannot be looked at is sent."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import structlog

from worker.catalogue.lane_reading import SENDERS, LaneReading, ReadBacksFirst, read_items
from worker.catalogue.models import UnavailableError
from worker.catalogue.queries import QuerySender
from worker.ledger.lane import Lane
from worker.ledger.records import Cell, Look
from worker.pacing.slots import Slots
from worker.pipeline.hints import LaneHints
from worker.pipeline.progress import ProgressReports
from worker.remote.client import RemoteClient
from worker.remote.compare import ABSENT
from worker.remote.equality import holds
from worker.remote.errors import MAY_PASS, RemoteError, word_of
from worker.remote.limits import MAX_ITEMS_PER_QUERY
from worker.remote.models import WorkItem

log = structlog.get_logger("feishu_batch.look")

LONGEST_RUN: Final = 1.0  # seconds: then the worker handles its other messages
PATIENCE: Final = 1.0  # seconds until a slot opens
MOST_CLAIMS: Final = 3  # of the same cells
FIRST_PAUSE: Final = 0.2  # seconds after a transient error; it doubles
LONGEST_PUT_OFF: Final = 3.0  # seconds; a look never delays a change for long
UNREADABLE_FOR: Final = 60.0  # seconds without looks at a place that cannot be read


class LookAhead:
    def __init__(
        self,
        *,
        lane: Lane,
        remote: RemoteClient,
        reading: LaneReading,
        hints: LaneHints,
        progress: ProgressReports,
        hold: float,
    ) -> None:
        """`hold`: seconds after which cells are looked at again if the process that reads them gives no answer."""
        self._lane = lane
        self._remote = remote
        self._reading = reading
        self._hints = hints
        self._progress = progress
        self._hold = hold
        self._read_backs = ReadBacksFirst(lane)
        self._looking = threading.Lock()

    def run(self) -> dict[str, object]:
        """Look at what waits, for a bounded time. Returns how many cells were looked at, and how many hold their value."""
        if not self._looking.acquire(blocking=False):
            return {"state": "another run looks"}
        try:
            until = time.monotonic() + LONGEST_RUN
            with ThreadPoolExecutor(SENDERS, thread_name_prefix="look") as pool:
                done = list(pool.map(lambda _: self._work(until), range(SENDERS)))
        finally:
            self._looking.release()
        self._continue()
        return {"looked_at": sum(one for one, _ in done), "unchanged": sum(one for _, one in done)}

    def _continue(self) -> None:
        """With what is due soon; the sweep finds the rest."""
        wait = self._lane.next_look_in()
        if wait is not None and wait <= LONGEST_RUN:
            time.sleep(wait)
            self._hints.look()

    def _work(self, until: float) -> tuple[int, int]:
        slots = self._reading.slots("read")()
        sender = self._reading.sender_of(slots, PATIENCE)
        looked_at = unchanged = 0
        while time.monotonic() < until:
            self._read_backs.wait()
            look = self._lane.claim_look(hold=self._hold, most_items=MAX_ITEMS_PER_QUERY, most_claims=MOST_CLAIMS)
            if look.became_ready:
                self._hints.submit()
            if isinstance(look, Look):
                looked_at, unchanged = looked_at + len(look.parts), unchanged + self._carry_out(look, slots, sender)
            elif not look.more:
                break
        return looked_at, unchanged

    def _carry_out(self, look: Look, slots: Slots, sender: QuerySender) -> int:
        """Returns how many cells hold their value."""
        try:
            found = read_items(self._remote, sender, slots, look.place, look.items, look.fields, PATIENCE)
            same = unchanged_cells(look, found)
        except UnavailableError:
            self._without_slot(look, slots)
            return 0
        except MAY_PASS as error:
            log.info("look.put_off", answer=word_of(error), cells=len(look.parts))
            self._put_off(look, max(error.retry_after or 0.0, FIRST_PAUSE * 2**look.times))
            return 0
        except RemoteError as error:
            log.warning("look.failed", answer=word_of(error), error=str(error), not_looked_at_for=UNREADABLE_FOR)
            self._end(look, [], unreadable=UNREADABLE_FOR)
            return 0
        except Exception:  # the error would repeat: they are sent as if nothing could be compared
            log.exception("look.crashed")
            self._end(look, [], unreadable=UNREADABLE_FOR)
            return 0
        self._end(look, same)
        return len(same)

    def _without_slot(self, look: Look, slots: Slots) -> None:
        """Or the lane was paused meanwhile: then its changes wait, and can be canceled."""
        wait = slots.opens_in()
        if not self._lane.paused() and wait > LONGEST_PUT_OFF:
            return self._end(look, [], unreadable=wait)
        self._lane.release_look(look)
        return time.sleep(min(wait, PATIENCE))

    def _put_off(self, look: Look, seconds: float) -> None:
        """Cells are not kept closed for long: then they are written."""
        if seconds > LONGEST_PUT_OFF:
            self._end(look, [], unreadable=seconds)
        else:
            self._lane.put_off_look(look, seconds)

    def _end(self, look: Look, same: list[Cell], unreadable: float = 0.0) -> None:
        ended = self._lane.end_look(look, same, unreadable=unreadable)
        self._hints.after(ended)
        self._hints.publish_if(ended.intents_ended > 0)
        if same:
            self._progress.report({part.intent for part in look.parts})


def unchanged_cells(look: Look, found: dict[int, WorkItem]) -> list[Cell]:
    """Those that are proven to hold their value."""
    same: list[Cell] = []
    for part in look.parts:
        spec, item = look.specs[part.intent], found.get(part.cell.item)
        if item is None:
            continue
        stored = item.fields.get(spec.field_key, ABSENT)
        field_type = item.types.get(spec.field_key)
        if holds(field_type, spec.update_mode, spec.before_field_value, spec.after_field_value, stored):
            same.append(part.cell)
    return same
