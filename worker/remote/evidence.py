"""What an answer proves. Pure.

A refused *write* may be sent again, or given up, at once only if the answer proves that nothing was executed:
otherwise it may be executed later, over a newer value. A read changes nothing and may always be sent again.
"""

from collections.abc import Mapping

from worker.remote.envelope import Envelope, to_int

SUCCESSES, REDIRECTS, REFUSALS = range(200, 300), range(300, 400), range(400, 500)  # HTTP statuses
# Answers of a gateway that did not wait for the remote system, or could not reach it. Their body is not the remote
# system's answer to this request.
GATEWAY_STATUSES = frozenset({408, 460, 499, 502, 503, 504, *range(520, 531)})

# Texts of answers about unfinished work, in lower case. They prove nothing, with any code.
DOUBTFUL_TEXTS = ("read/write db", "timeout", "timed out", "time out", "deadline exceeded")


def is_gateways(http_status: int) -> bool:
    return http_status in GATEWAY_STATUSES


def is_redirect(http_status: int) -> bool:
    return http_status in REDIRECTS


def may_refuse(http_status: int) -> bool:
    """Whether a refusal with this status can prove that nothing was executed: 2xx and 4xx, except those of gateways.

    A 5xx means that something failed, perhaps after the change; a redirect may follow a completed write.
    """
    return (http_status in SUCCESSES or http_status in REFUSALS) and not is_gateways(http_status)


def may_accept(http_status: int) -> bool:
    return http_status in SUCCESSES


def names_a_job(envelope: Envelope) -> bool:
    """A refusal that names a job contradicts itself: the job may be at work."""
    return isinstance(envelope.data, Mapping) and bool(envelope.data.get("task_id"))


def reports_a_failure(envelope: Envelope) -> bool:
    """A success whose text is that of unfinished work, or whose data report a failure, contradicts itself."""
    data = envelope.data if isinstance(envelope.data, Mapping) else {}
    has_failed = bool(to_int(data.get("err_code"))) or data.get("success") is False
    return has_failed or is_doubtful(envelope.message.lower(), ())


def is_doubtful(text: str, believed: tuple[str, ...]) -> bool:
    """`text` in lower case; `believed`: texts that are a proof according to the settings."""
    return any(phrase in text for phrase in DOUBTFUL_TEXTS if phrase not in believed)
