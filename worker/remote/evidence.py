"""What an answer is worth as evidence. Pure.

A *write* that is refused may be sent again, or given up, at once only where the answer proves that nothing was executed:
otherwise it may be carried out later, over a newer value. A read leaves nothing behind and may always be sent again.
"""

from collections.abc import Mapping

from worker.remote.envelope import Envelope

SUCCESSES, REDIRECTS, REFUSALS = range(200, 300), range(300, 400), range(400, 500)  # HTTP statuses
# Answers that a gateway gives when it did not wait for the remote system, or could not reach it. Whatever the body says,
# it is not the remote system's word on this request.
GATEWAY_STATUSES = frozenset({408, 460, 499, 502, 503, 504, *range(520, 531)})

# Texts of answers that something was begun and did not come to its end, in lower case. They prove nothing, whatever the code.
DOUBTFUL_TEXTS = ("read/write db", "timeout", "timed out", "time out", "deadline exceeded")


def is_gateways(http_status: int) -> bool:
    return http_status in GATEWAY_STATUSES


def is_redirect(http_status: int) -> bool:
    return http_status in REDIRECTS


def may_refuse(http_status: int) -> bool:
    """Whether a refusal with this status can prove that nothing was executed: 2xx and 4xx, those of gateways apart.

    A 5xx says that something broke on the way, maybe after the change; a redirect may follow upon a write that was done.
    """
    return (http_status in SUCCESSES or http_status in REFUSALS) and not is_gateways(http_status)


def may_accept(http_status: int) -> bool:
    return http_status in SUCCESSES


def names_a_job(envelope: Envelope) -> bool:
    """A refusal that names a job contradicts itself: the job may be at work."""
    return isinstance(envelope.data, Mapping) and bool(envelope.data.get("task_id"))


def is_doubtful(text: str, believed: tuple[str, ...]) -> bool:
    """`text` in lower case; `believed`: texts that the settings call a proof."""
    return any(phrase in text for phrase in DOUBTFUL_TEXTS if phrase not in believed)
