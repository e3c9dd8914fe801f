"""One call of the remote API: from what is asked to the `data` of its answer, or to the error that the answer means."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, TypeVar

from worker.remote.codes import ErrorTable, classify
from worker.remote.envelope import clean, parse
from worker.remote.errors import BatchRefused, NotExecuted, RemoteError, TokenRejected
from worker.remote.models import Exchange, Token
from worker.remote.secrets import Secrets
from worker.remote.transport import HttpTransport

T = TypeVar("T")


class RequestKind(StrEnum):
    """What counts against a quota."""

    BATCH_UPDATE = "batch_update"
    SINGLE_UPDATE = "single_update"
    TASK_RESULT = "task_result"
    QUERY = "query"
    LOOK_UP = "look_up"
    TOKEN = "token"  # noqa: S105 - a kind of request


@dataclass(frozen=True, slots=True)
class ApiCall:
    """One request. A read changes nothing, so it may always be sent again."""

    method: str
    path: str
    body: Mapping[str, Any] | None = None
    params: Mapping[str, str] | None = None
    write: bool = False
    idem_uuid: str = ""
    may_leave: Callable[[], bool] | None = None
    kind: RequestKind = RequestKind.LOOK_UP


@dataclass(frozen=True, slots=True)
class Reply:
    data: Any
    log_id: str
    http_status: int
    exchange: Exchange


class Calls:
    """`user_key` acts unless a call names another; `extra_headers` go with every call that has a token. `on_request` gets the kind of
    each request that was, or may have been, sent.
    """

    def __init__(
        self,
        transport: HttpTransport,
        secrets: Secrets,
        user_key: str,
        table: ErrorTable,
        extra_headers: Mapping[str, str],
        on_request: Callable[[str], None],
    ) -> None:
        self._on_request = on_request
        self._transport = transport
        self._secrets = secrets
        self._user_key = user_key
        self._table = table
        self._extra_headers = dict(extra_headers)

    def send(self, call: ApiCall, *, token: Token | None, user_key: str | None = None) -> Reply:
        headers, content = self._headers(call, token, user_key), _encoded(call.body)
        try:
            answer = self._transport.exchange(
                call.method,
                call.path,
                write=call.write,
                headers=headers,
                content=content,
                params=call.params,
                may_leave=call.may_leave,
            )
        except RemoteError as failed:
            if failed.exchange is not None:
                self._on_request(call.kind)
            raise
        self._on_request(call.kind)
        envelope = parse(answer.body, secrets=self._secrets)
        envelope = replace(envelope, log_id=envelope.log_id or clean(self._secrets.hidden(answer.log_id)))
        error = classify(
            envelope,
            answer.status,
            write=call.write,
            table=self._table,
            exchange=answer.exchange,
            retry_after=answer.retry_after,
        )
        if isinstance(error, TokenRejected) and token is not None:
            error.fingerprint = token.fingerprint
        if error is not None:
            raise error
        return Reply(envelope.data, envelope.log_id, answer.status, answer.exchange)

    def _headers(self, call: ApiCall, token: Token | None, user_key: str | None) -> dict[str, str]:
        if token is None:
            return {}
        self._secrets.note(token.value.get_secret_value())
        actor = user_key or self._user_key
        if not (actor.isascii() and actor.isprintable()):
            raise BatchRefused("the user key contains characters that user keys cannot have")
        headers = {
            "X-PLUGIN-TOKEN": token.value.get_secret_value(),
            "X-USER-KEY": actor,
            "X-IDEM-UUID": call.idem_uuid,
        }
        return {name: value for name, value in headers.items() if value} | self._extra_headers


def usable(result: T | None, reply: Reply) -> T:
    if result is None:
        raise NotExecuted(
            "the answer does not have the shape of this endpoint, or is about another job", **details(reply)
        )
    return result


def details(reply: Reply) -> dict[str, Any]:
    return {"log_id": reply.log_id, "http_status": reply.http_status, "exchange": reply.exchange}


def _encoded(body: Mapping[str, Any] | None) -> bytes | None:
    if body is None:
        return None
    try:
        return json.dumps(body, allow_nan=False, separators=(",", ":")).encode()
    except (ValueError, TypeError, RecursionError) as error:
        reason = type(error).__name__
    raise BatchRefused(f"the value cannot be written as JSON ({reason})")
