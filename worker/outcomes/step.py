"""The plain values of a decision, and what all decisions share."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from worker.ledger.records import Batch, BatchState, Outcome
from worker.pacing.spacing import Verdict
from worker.remote.codes import RESTART, THE_CREDENTIALS, THE_USER_KEY
from worker.remote.errors import LaneStopped, OutcomeUnknown, RemoteError, TokenRejected

MAX_TOKEN_REJECTIONS = 2  # in a row: renewed once, repeated once; then it is a configuration error
# The same token again: its renewal failed or got lost. No proof against the credentials, but it must not go on for ever.
MAX_SAME_TOKEN_REJECTIONS = 8
_SUCCESSES = range(200, 300)  # HTTP
_CLIENT_ERRORS = range(400, 500)  # HTTP
_MAY_PASS = (408, 425, 429)  # a gateway says of these itself that the same call may work in a moment
MAX_REASON = 500  # characters of a remote message that are kept per item

# What is noted about a send. A new send starts afresh: it would mislead its follow-up.
FOLLOW_UP_FIELDS = (
    "task",
    "verifying",
    "unproven",
    "verdict",
    "stray",
    "looks",
    "reasks",
    "missing_since",
    "missing_looks",
    "seen_running",
    "poll_failures",
    "read_failures",
    "token_rejections",
    "rejected_token",
)

Fields = Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class Policy:
    """The bounds of patience, from the settings."""

    max_attempts: int
    backoff: float
    backoff_max: float
    grace: float
    read_back: float
    not_exist: float
    job_timeout: float
    final_words: frozenset[str]
    not_exist_words: frozenset[str]

    def is_final(self, word: str) -> bool:
        return _plain(word) in map(_plain, self.final_words)

    def is_missing(self, word: str) -> bool:
        return _plain(word) in map(_plain, self.not_exist_words)


def _plain(word: str) -> str:
    """However a status word is written: `Success`, `NOT-EXIST`."""
    return word.strip().upper().replace("-", "_").replace(" ", "_")


@dataclass(frozen=True, slots=True)
class Step:
    """`settled` changes get their outcome; the rest of the batch goes to `then`, due in `delay`."""

    then: BatchState
    settled: Mapping[int, Outcome] = field(default_factory=dict)
    delay: float = 0.0
    fields: Fields = field(default_factory=dict)
    slot: Verdict = "accepted"
    split: bool = False
    renew_token: bool = False
    pause: str | None = None
    refuse_space: Outcome | None = None


def to_read_back(batch: Batch, policy: Policy, why: str) -> Step:
    """The cells stay closed until a stray first request can no longer change them; then they are read."""
    since_sent = (batch.number_field("now") - batch.number_field("sent")) / 1000
    wait = max(0.0, policy.grace - since_sent)
    return Step(BatchState.CHECK, delay=wait, fields={"why": why[:MAX_REASON], "stray": 1, "looks": 0})


def is_last_rejection(batch: Batch, error: TokenRejected) -> bool:
    """Whether the token was renewed for this batch already: then it is no use to do so again."""
    is_same = bool(error.fingerprint) and error.fingerprint == batch.fields.get("rejected_token")
    most = MAX_SAME_TOKEN_REJECTIONS if is_same else MAX_TOKEN_REJECTIONS
    return batch.number_field("token_rejections") + 1 >= most


def after_token_rejected(batch: Batch, error: TokenRejected, then: BatchState, fields: Fields) -> Step:
    if not is_last_rejection(batch, error):
        rejections = batch.number_field("token_rejections") + 1
        noted: Fields = {"token_rejections": rejections, "rejected_token": error.fingerprint}
        return Step(then, fields={**fields, **noted}, renew_token=True)
    advice = f"The remote system refuses fresh tokens: check {THE_CREDENTIALS} and {THE_USER_KEY}, {RESTART}"
    return Step(then, fields={**fields, "token_rejections": 0}, pause=f"{error} — {advice}")


def age_of(batch: Batch) -> float:
    """Since the batch entered its state."""
    return (batch.number_field("now") - batch.number_field("entered")) / 1000


def is_unreachable(error: RemoteError) -> bool:
    """The API itself said nothing: the network, or a gateway in front of it. That is no fault of a batch, and no batch pays for it.

    A web page with HTTP 200 is neither: whoever answers so is there, and may do so for ever.
    """
    return error.code is None and (error.http_status is None or error.http_status not in _SUCCESSES)


def is_not_served(error: RemoteError) -> bool:
    """A web server refused the call in words that are not the API's: this endpoint may not be there at all, while others are."""
    return error.code is None and error.http_status in _CLIENT_ERRORS and error.http_status not in _MAY_PASS


def refusal(error: RemoteError) -> Outcome:
    return Outcome.failed(str(error.code if error.code is not None else "refused"), str(error)[:MAX_REASON])


def why(error: RemoteError) -> dict[str, str | int]:
    return {"why": str(error)[:MAX_REASON]}


def advice_of(error: LaneStopped | OutcomeUnknown) -> str:
    return f"{error}. {error.advice}".strip() if error.advice else str(error)
