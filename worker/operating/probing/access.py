"""Whether the plugin may use the item's own endpoint."""

from typing import Final

from worker.operating.probing.readings import Reading, not_settled, proven
from worker.operating.probing.run import ProbeRun
from worker.operating.probing.sent import Sent
from worker.remote.errors import is_route_refused

NAME: Final = "single_updates"
ALLOWED, REFUSED = "allowed", "refused"
WORDS: Final = {
    ALLOWED: "single updates are allowed",
    REFUSED: "single updates are refused, or the endpoint is not there",
}


def observe(run: ProbeRun) -> Sent:
    item = run.item(0)
    sent = run.sender.put(item, {run.place.field.key: run.next_value(item, run.place.field)})
    run.may_single = sent.is_accepted
    return sent


def judge(sent: Sent) -> Reading:
    if sent.error is None:
        return proven(NAME, WORDS, ALLOWED, 1, 1)
    if is_route_refused(sent.error):
        return proven(NAME, WORDS, REFUSED, 1, 1, error=str(sent.error))
    return not_settled(NAME, str(sent.error))
