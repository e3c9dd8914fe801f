"""The plain values of a decision, and the helpers of all decisions."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from feishu_batch.explained import FailureCode
from worker.ledger.fields import BatchField
from worker.ledger.records import Batch, BatchState, Cell, Outcome
from worker.remote.codes import FRESH_TOKENS_REFUSED
from worker.remote.errors import LaneStopped, OutcomeUnknown, RemoteError, TokenRejected

MAX_TOKEN_REJECTIONS = 2  # in a row: renewed once, repeated once; then it is a configuration error
# The same token again: its renewal failed or was lost. That does not prove wrong credentials, but must not repeat forever.
MAX_SAME_TOKEN_REJECTIONS = 8
_SUCCESSES = range(200, 300)  # HTTP
_CLIENT_ERRORS = range(400, 500)  # HTTP
_MAY_PASS = (408, 425, 429)  # by definition, the same call may work a moment later
MAX_REASON = 500  # characters of a remote message stored per item

# Notes about one send; a new send starts without them, because they would mislead its follow-up.
FOLLOW_UP_FIELDS = (
    BatchField.JOB,
    BatchField.VERIFYING,
    BatchField.UNPROVEN,
    BatchField.VERDICT,
    BatchField.STRAY,
    BatchField.LOOKS,
    BatchField.REASKS,
    BatchField.MISSING_SINCE_MS,
    BatchField.MISSING_LOOKS,
    BatchField.SEEN_RUNNING_AT_MS,
    BatchField.POLL_FAILURES,
    BatchField.READ_FAILURES,
    BatchField.TOKEN_REJECTIONS,
    BatchField.REJECTED_TOKEN,
)

Fields = Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class Policy:
    """The limits from the settings."""

    max_attempts: int
    backoff: float
    backoff_max: float
    grace: float
    read_back: float
    not_exist: float
    job_timeout: float
    final_words: frozenset[str]
    not_exist_words: frozenset[str]
    reads_behind: float = 10.0

    def is_final(self, word: str) -> bool:
        return _plain(word) in map(_plain, self.final_words)

    def is_missing(self, word: str) -> bool:
        return _plain(word) in map(_plain, self.not_exist_words)


def _plain(word: str) -> str:
    """A status word in any spelling: `Success`, `NOT-EXIST`."""
    return word.strip().upper().replace("-", "_").replace(" ", "_")


@dataclass(frozen=True, slots=True)
class Step:
    """`settled` changes get their outcome; the rest of the batch enters the state `then`, due in `delay`."""

    then: BatchState
    settled: Mapping[Cell, Outcome] = field(default_factory=dict)
    delay: float = 0.0
    fields: Fields = field(default_factory=dict)
    split: bool = False
    renew_token: bool = False
    pause: str | None = None
    refuse_space: Outcome | None = None
    singles_off: float = 0.0  # seconds for which the single route is switched off


def to_read_back(batch: Batch, policy: Policy, why: str) -> Step:
    """The cells stay closed until a late first request can no longer change them; then they are read."""
    since_sent = (batch.number_field(BatchField.NOW) - batch.number_field(BatchField.SENT_AT_MS)) / 1000
    wait = max(0.0, policy.grace - since_sent)
    return Step(
        BatchState.CHECK,
        delay=wait,
        fields={BatchField.WHY: why[:MAX_REASON], BatchField.STRAY: 1, BatchField.LOOKS: 0},
    )


def is_last_rejection(batch: Batch, error: TokenRejected) -> bool:
    """Whether the token was already renewed for this batch: then another renewal is useless."""
    is_same = bool(error.fingerprint) and error.fingerprint == batch.fields.get(BatchField.REJECTED_TOKEN)
    most = MAX_SAME_TOKEN_REJECTIONS if is_same else MAX_TOKEN_REJECTIONS
    return batch.number_field(BatchField.TOKEN_REJECTIONS) + 1 >= most


def after_token_rejected(batch: Batch, error: TokenRejected, then: BatchState, fields: Fields) -> Step:
    if not is_last_rejection(batch, error):
        rejections = batch.number_field(BatchField.TOKEN_REJECTIONS) + 1
        noted: Fields = {BatchField.TOKEN_REJECTIONS: rejections, BatchField.REJECTED_TOKEN: error.fingerprint}
        return Step(then, fields={**fields, **noted}, renew_token=True)
    return Step(then, fields={**fields, BatchField.TOKEN_REJECTIONS: 0}, pause=f"{error} — {FRESH_TOKENS_REFUSED}")


def age_of(batch: Batch) -> float:
    """Seconds since the batch entered its state."""
    return (batch.number_field(BatchField.NOW) - batch.number_field(BatchField.ENTERED_AT_MS)) / 1000


def is_unreachable(error: RemoteError) -> bool:
    """No answer from the API itself: trouble of the network, or of a gateway. That never counts against a batch.

    A web page with HTTP 200 is neither: that server is reachable, and may answer so forever.
    """
    return error.code is None and (error.http_status is None or error.http_status not in _SUCCESSES)


def is_not_served(error: RemoteError) -> bool:
    """A web server refused the call, not the API: this endpoint may be missing while others work."""
    return error.code is None and error.http_status in _CLIENT_ERRORS and error.http_status not in _MAY_PASS


def refusal(error: RemoteError) -> Outcome:
    return Outcome.failed(str(FailureCode.REFUSED if error.code is None else error.code), str(error)[:MAX_REASON])


def why(error: RemoteError) -> dict[str, str | int]:
    return {BatchField.WHY: str(error)[:MAX_REASON]}


def uncounted(batch: Batch, error: RemoteError) -> dict[str, str | int]:
    """The claim of a resend counts an attempt; this one must not count."""
    return {**why(error), BatchField.TRIES: batch.tries - 1}


def advice_of(error: LaneStopped | OutcomeUnknown) -> str:
    return f"{error}. {error.advice}".strip() if error.advice else str(error)
