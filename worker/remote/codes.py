"""The policy for each remote code: a table, and one pure function that applies it.

The codes come from official pages and several restatements of them; none is guaranteed. So a setting can replace
every row, see `error_table`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

from config.remote_facts import ErrorClass
from worker.remote import evidence
from worker.remote.envelope import Envelope
from worker.remote.errors import (
    BatchRefused,
    IdempotencyClash,
    LaneStopped,
    NotExecuted,
    OutcomeUnknown,
    RateLimited,
    RemoteError,
    SpaceRefused,
    TokenRejected,
)
from worker.remote.models import Exchange


@dataclass(frozen=True, slots=True)
class Rule:
    kind: ErrorClass
    advice: str = ""


@dataclass(frozen=True, slots=True)
class ErrorTable:
    """`rules`: code → rule. `transient_texts`: in lower case; they mark the harmless kind of an ambiguous code."""

    rules: Mapping[int, Rule]
    transient_texts: tuple[str, ...]


DEFAULT_ADVICE = (
    "Check the plugin's credentials, permissions and quota in the remote system's console, then resume the lane."
)
# Settings are read at the start: resuming without a restart would only repeat the error.
RESTART = "restart `up` (or the workers), then resume the lane."
THE_USER_KEY = "FEISHU_BATCH_USER_KEY (with a lanes file: the lane's user_key)"
THE_CREDENTIALS = (
    "FEISHU_BATCH_PLUGIN_ID and FEISHU_BATCH_PLUGIN_SECRET (with a lanes file: the lane's plugin_id and plugin_secret)"
)
REDIRECT_ADVICE = (
    "The base URL answers with a redirect: set FEISHU_BATCH_BASE_URL (with a lanes file: the lane's base_url) "
    f"to the API's own host, {RESTART}"
)

FRESH_TOKENS_REFUSED = f"The remote system refuses fresh tokens: check {THE_CREDENTIALS} and {THE_USER_KEY}, {RESTART}"

_LANE_ADVICE = {
    10023: f"The acting user does not exist: set {THE_USER_KEY} to that of a user of this tenant, {RESTART}",
    10204: f"The credentials were refused: check the plugin id and the plugin secret, {THE_CREDENTIALS}, {RESTART}",
    10301: "Grant the plugin 'work item instances', publish its version and update it in the space; "
    "check that the acting user may use the space, then resume the lane.",
    10302: f"The acting user has left the company: set {THE_USER_KEY} to that of an active user, {RESTART}",
    10404: "The acting user has no access to the space: add the user to it, then resume the lane.",
    20039: f"No acting user is set: set {THE_USER_KEY}, {RESTART}",
    20042: f"The user key is wrong: set {THE_USER_KEY} to the acting user's key (not an e-mail or a name), {RESTART}",
    30006: f"The acting user was not found: set {THE_USER_KEY} to that of a user of this tenant, {RESTART}",
    1000051743: DEFAULT_ADVICE,
    1000051942: "The tenant's API quota is used up: buy more or wait for the next period, then resume the lane.",
    99991403: "The API quota of this month is used up: buy more or wait for the next month, then resume the lane.",
}
_CODES: Mapping[ErrorClass, tuple[int, ...]] = {
    ErrorClass.RATE_LIMIT: (10429, 99991400),
    ErrorClass.CLASH: (10430,),
    ErrorClass.TOKEN: (10021, 10022, 10211),
    ErrorClass.SPACE: (1000052062, 1000052063, 30001, 30014, 30016),
    ErrorClass.BATCH: (
        *(9999, 20001, 20003, 20005, 20006, 20025, 20028, 20029, 20033, 20044),
        *(20050, 20051, 20052, 20053, 20060, 20061, 20070, 20083, 30009),
    ),
    ErrorClass.ITEM: (10001, 20007, 20014, 20090, 30005),
    ErrorClass.TRANSIENT: (50005, 50007),
    ErrorClass.TRANSIENT_READ: (30019,),
    ErrorClass.BY_TEXT: (50006,),
}
DEFAULT_RULES: Mapping[int, Rule] = MappingProxyType(
    {code: Rule(kind) for kind, codes in _CODES.items() for code in codes}
    | {code: Rule(ErrorClass.LANE, advice) for code, advice in _LANE_ADVICE.items()}
)

# Texts of the ambiguous code 50006, in lower case (several restatements). The same restatements call "read/write db" harmless,
# too; but a database that failed while writing proves nothing (`evidence.DOUBTFUL_TEXTS`).
TRANSIENT_TEXTS = ("please try again later",)
DEFAULT_TABLE = ErrorTable(DEFAULT_RULES, TRANSIENT_TEXTS)
CONTRADICTION = "the body of the answer reports success, but its HTTP status does not"
FAILURE_IN_SUCCESS = "the answer reports success, and a failure in its data"
OVERSIZE_TEXTS = ("overlimit", "over limit")
# Of the endpoint for one item (several restatements). The second one is taken for a limit of the item's values, not for a rate:
# a rate that is taken for a limit fails with this reason; a limit that is taken for a rate would be sent again for ever.
REFUSAL_TEXTS = ("no right to edit", "workitemvalue limit exceeded")

_BUILDERS: Mapping[ErrorClass, Callable[..., RemoteError]] = {
    ErrorClass.RATE_LIMIT: RateLimited,
    ErrorClass.CLASH: IdempotencyClash,
    ErrorClass.TOKEN: TokenRejected,
    ErrorClass.SPACE: SpaceRefused,
    ErrorClass.BATCH: BatchRefused,
    ErrorClass.TRANSIENT: NotExecuted,
}


def error_table(overrides: Mapping[int, str], transient_texts: tuple[str, ...] = TRANSIENT_TEXTS) -> ErrorTable:
    """The default table with rows replaced: code → name of an `ErrorClass`. ValueError for an unknown name."""
    rules = dict(DEFAULT_RULES)
    for code, name in overrides.items():
        if name not in set(ErrorClass):
            raise ValueError(f"{name!r} is not an error class, for code {code}: use one of {', '.join(ErrorClass)}.")
        rules[code] = Rule(ErrorClass(name), rules[code].advice if code in rules else "")
    return ErrorTable(MappingProxyType(rules), tuple(text.lower() for text in transient_texts))


def classify(
    envelope: Envelope,
    http_status: int,
    *,
    write: bool,
    table: ErrorTable = DEFAULT_TABLE,
    exchange: Exchange | None = None,
    retry_after: float = 0.0,
) -> RemoteError | None:
    """The error of an answer, or None for success.

    The body decides, within the limits of the status: an answer of a gateway proves nothing, and for a write every claim that
    nothing was executed needs an answer that proves it (`evidence`).
    """
    contradicts_itself = write and evidence.reports_a_failure(envelope)
    if envelope.code == 0 and not contradicts_itself and _may_accept(http_status, write=write):
        return None
    details: dict[str, Any] = {
        "code": envelope.code,
        "inner_code": envelope.inner_code,
        "inner_message": envelope.inner_message,
        "log_id": envelope.log_id,
        "http_status": http_status,
        "exchange": exchange,
        "retry_after": retry_after,
    }
    rule = _rule(envelope, http_status, table)
    settle = _of_write if write else _of_read
    kind = settle(rule.kind, envelope, http_status, table)
    contradiction = FAILURE_IN_SUCCESS if contradicts_itself else CONTRADICTION
    error = _build(kind, rule.advice, envelope.message or contradiction, details)
    if isinstance(error, BatchRefused):
        error.is_listed = envelope.code in table.rules
    return error


def _may_accept(http_status: int, *, write: bool) -> bool:
    return evidence.may_accept(http_status) if write else not evidence.is_gateways(http_status)


def _rule(envelope: Envelope, http_status: int, table: ErrorTable) -> Rule:
    if envelope.code is not None and envelope.code in table.rules:
        return table.rules[envelope.code]
    if envelope.code == 0:
        return Rule(ErrorClass.UNKNOWN)
    if http_status == HTTPStatus.TOO_MANY_REQUESTS:
        return Rule(ErrorClass.RATE_LIMIT)  # from a gateway; the API's own always has a code
    if evidence.is_redirect(http_status):
        return Rule(ErrorClass.LANE, REDIRECT_ADVICE)
    if not envelope.is_readable or http_status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Rule(ErrorClass.UNKNOWN)
    return Rule(ErrorClass.ITEM)


def _of_read(kind: ErrorClass, envelope: Envelope, http_status: int, table: ErrorTable) -> ErrorClass:
    """A read changes nothing: an error that means an unknown outcome for a write is only transient here."""
    if kind is ErrorClass.BY_TEXT:
        kind = _by_text(_texts(envelope), table)
    if kind is ErrorClass.RATE_LIMIT:
        return kind
    if kind in (ErrorClass.TRANSIENT_READ, ErrorClass.UNKNOWN) or evidence.is_gateways(http_status):
        return ErrorClass.TRANSIENT
    return kind


def _of_write(kind: ErrorClass, envelope: Envelope, http_status: int, table: ErrorTable) -> ErrorClass:
    kind = _claimed(kind, envelope, table)
    if kind in (ErrorClass.CLASH, ErrorClass.UNKNOWN):  # these do not claim that nothing was executed
        return kind
    inner = table.rules.get(envelope.inner_code or 0)
    if inner is not None and _claimed(inner.kind, envelope, table) in (ErrorClass.CLASH, ErrorClass.UNKNOWN):
        return _claimed(inner.kind, envelope, table)
    if not evidence.may_refuse(http_status) or evidence.names_a_job(envelope):
        return ErrorClass.UNKNOWN
    has_rule = envelope.code in table.rules
    if (kind is ErrorClass.TRANSIENT or not has_rule) and evidence.is_doubtful(_texts(envelope), table.transient_texts):
        return ErrorClass.UNKNOWN
    return kind


def _claimed(kind: ErrorClass, envelope: Envelope, table: ErrorTable) -> ErrorClass:
    """The claim of the body about a write."""
    if kind is ErrorClass.BY_TEXT:
        return _by_text(_texts(envelope), table)
    return ErrorClass.BATCH if kind is ErrorClass.TRANSIENT_READ else kind


def _texts(envelope: Envelope) -> str:
    return f"{envelope.message} {envelope.inner_message}".lower()


def _by_text(text: str, table: ErrorTable) -> ErrorClass:
    if any(phrase in text for phrase in OVERSIZE_TEXTS):
        return ErrorClass.ITEM  # "ErrOAPIBatchUpdateOverLimit": too many ids; halving solves it
    if any(phrase in text for phrase in REFUSAL_TEXTS):
        return ErrorClass.ITEM
    if any(phrase in text for phrase in table.transient_texts):
        return ErrorClass.TRANSIENT
    return ErrorClass.UNKNOWN


def _build(kind: ErrorClass, advice: str, message: str, details: dict[str, Any]) -> RemoteError:
    if kind is ErrorClass.LANE:
        return LaneStopped(message, advice=advice or DEFAULT_ADVICE, **details)
    if kind is ErrorClass.ITEM:
        return BatchRefused(message, splittable=True, **details)
    if kind is ErrorClass.UNKNOWN:
        is_redirect = evidence.is_redirect(details["http_status"])
        return OutcomeUnknown(message, advice=REDIRECT_ADVICE if is_redirect else "", **details)
    return _BUILDERS[kind](message, **details)
