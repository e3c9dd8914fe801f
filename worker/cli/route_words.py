"""How the commands speak of the single route."""

from worker.operating.route_gain import MOST_RATE, SETTING, RoutePlan
from worker.wording import duration, some


def with_singles(both: RoutePlan, alone: int, slot: float) -> str:
    """The time it would take, what it costs, and how to switch it on. `alone`: requests without the route."""
    requests = some(both.requests, "request")
    cost = "as many requests" if both.requests == alone else f"{requests} instead of {alone:,}"
    return f"about {duration(both.seconds(slot, MOST_RATE))} with single updates ({cost}): set {SETTING}={MOST_RATE}, and restart the workers"
