"""The answer to a read sets when the next read may be sent."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from worker.pacing.slots import Reservation, Slots
from worker.remote.errors import RateLimited, RemoteError, pause_asked_for


@contextmanager
def settled(slots: Slots, reservation: Reservation) -> Iterator[None]:
    """Around the request of a reservation. A pause that the answer asks for holds for all who share the slots."""
    try:
        yield
    except RemoteError as error:
        slots.settle(reservation, verdict="rejected" if isinstance(error, RateLimited) else "neutral")
        if pause := pause_asked_for(error):
            slots.hold_off(reservation, pause)
        raise
    except BaseException:
        slots.settle(reservation, verdict="neutral")
        raise
    slots.settle(reservation, verdict="accepted")


def more_in(slots: Slots, ahead: float) -> Callable[[], bool]:
    """Waits up to `ahead` seconds for a slot of the next call of the same read; False: none, so it must not be sent."""
    return lambda: slots.take(ahead=ahead) is not None
