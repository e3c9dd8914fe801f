"""The remote API's endpoints that we use, one method each. Errors: see `worker.remote.errors`."""

import json
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar
from urllib.parse import quote

from pydantic import SecretStr

from worker.remote import answers
from worker.remote.codes import DEFAULT_TABLE, RESTART, THE_CREDENTIALS, ErrorTable, classify
from worker.remote.envelope import clean, parse
from worker.remote.errors import (
    BatchRefused,
    IdempotencyClash,
    LaneStopped,
    NotExecuted,
    OutcomeUnknown,
    SpaceRefused,
    TokenRejected,
)
from worker.remote.models import (
    Accepted,
    BatchUpdate,
    Exchange,
    Field,
    ItemType,
    JobReport,
    Person,
    Project,
    Token,
    WorkItem,
)
from worker.remote.secrets import Secrets
from worker.remote.transport import Transport

MAX_ITEMS_PER_BATCH = 50  # official page
MAX_ITEMS_PER_QUERY = 50  # several restatements
MAX_PEOPLE_PER_QUERY = 100  # official page
MAX_CALLS_PER_QUERY = 30  # ours: looking for missing items must not use up the 15 requests a second
DEFAULT_TOKEN_LIFETIME = 3600.0  # seconds, if the answer names none; half of the usual 7200
LONGEST_TOKEN_LIFETIME = 30 * 86400.0  # seconds; more must be a moment or another unit
ITEM_NOT_FOUND = 30005
CREDENTIALS_ADVICE = f"Check the base URL, the token type and {THE_CREDENTIALS}, {RESTART}"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call:
    """One request. A read leaves nothing behind, so whatever happens to it, it may be sent again."""

    method: str
    path: str
    body: Mapping[str, Any] | None = None
    params: Mapping[str, str] | None = None
    write: bool = False
    idem_uuid: str = ""
    may_leave: Callable[[], bool] | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    data: Any
    log_id: str
    http_status: int
    exchange: Exchange


class RemoteClient:
    """`user_key` acts unless a call names another. `token_type`: 0 plugin token, 1 virtual token.

    `extra_headers` go with every call but the log-in: `x-auth-mode: 1`, say, makes the remote system apply the acting
    user's rights instead of the plugin's (several restatements). `clock` gives unix seconds. Every method raises `RemoteError`s only.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        plugin_id: str,
        plugin_secret: SecretStr,
        user_key: str,
        table: ErrorTable = DEFAULT_TABLE,
        token_type: int = 0,
        extra_headers: Mapping[str, str] | None = None,
        missing_item_codes: Collection[int] = (ITEM_NOT_FOUND,),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._transport = transport
        self._plugin_id = plugin_id
        self._plugin_secret = plugin_secret
        self._secrets = Secrets(plugin_secret.get_secret_value())
        self._user_key = user_key
        self._table = table
        self._token_type = token_type
        self._extra_headers = dict(extra_headers or {})
        self._missing_item_codes = frozenset(missing_item_codes)
        self._clock = clock

    def authenticate(self) -> Token:
        """A new token. Raises LaneStopped for refused credentials, whatever code says so."""
        asked_at = self._clock()
        body = {
            "plugin_id": self._plugin_id,
            "plugin_secret": self._plugin_secret.get_secret_value(),
            "type": self._token_type,
        }
        try:
            reply = self._send(Call("POST", "/open_api/authen/plugin_token", body), token=None)
        except (TokenRejected, SpaceRefused, BatchRefused, IdempotencyClash) as error:
            refusal = LaneStopped(error.message, advice=CREDENTIALS_ADVICE, **error.details)
        else:
            return self._token(reply, asked_at)
        raise refusal

    def batch_update(
        self,
        update: BatchUpdate,
        *,
        token: Token,
        idem_uuid: str,
        user_key: str | None = None,
        may_leave: Callable[[], bool] | None = None,
    ) -> Accepted:
        """Submit one batch. Only `Accepted` and the errors that say so mean that the remote system has seen it.

        `may_leave` is asked right before the first byte, when a connection is there; Withheld is raised if it says no.
        """
        if not 1 <= len(update.work_item_ids) <= MAX_ITEMS_PER_BATCH:
            raise BatchRefused(f"a batch has 1 to {MAX_ITEMS_PER_BATCH} items", splittable=bool(update.work_item_ids))
        path = "/open_api/work_item/batch_update"
        call = Call("POST", path, update.body(), write=True, idem_uuid=idem_uuid, may_leave=may_leave)
        reply = self._send(call, token=token, user_key=user_key)
        task_id = answers.task_id(reply.data)
        if not task_id:
            raise OutcomeUnknown("accepted without a task_id", **_details(reply))
        return Accepted(task_id, reply.log_id, reply.exchange)

    def task_result(self, task_id: str, *, token: Token) -> JobReport:
        reply = self._send(Call("GET", "/open_api/task_result", params={"task_id": task_id}), token=token)
        return _usable(answers.job_report(task_id, reply.data, reply.exchange, reply.log_id), reply)

    def query_items(
        self,
        project_key: str,
        type_key: str,
        ids: Sequence[int],
        fields: Sequence[str],
        *,
        token: Token,
        user_key: str | None = None,
        before_next_call: Callable[[], object] = lambda: None,
    ) -> list[WorkItem]:
        """The items that exist, in no particular order; the missing ones are absent.

        `before_next_call` waits for leave to send each request but the first.

        A whole call that fails for a missing item is halved until the item is alone. Raises BatchRefused if that takes
        more than MAX_CALLS_PER_QUERY calls.
        """
        path = f"/open_api/{_segment(project_key)}/work_item/{_segment(type_key)}/query"
        found: list[WorkItem] = []
        waiting = [list(ids[at : at + MAX_ITEMS_PER_QUERY]) for at in range(0, len(ids), MAX_ITEMS_PER_QUERY)]
        most_calls = MAX_CALLS_PER_QUERY + len(waiting)
        made = 0
        while waiting:
            if made:
                before_next_call()
            made += 1
            part = waiting.pop()
            call = Call("POST", path, {"work_item_ids": part, "fields": list(fields)})
            try:
                reply = self._send(call, token=token, user_key=user_key)
            except BatchRefused as error:
                if error.code not in self._missing_item_codes or made >= most_calls:
                    raise
                waiting += _halves(part)
            else:
                found += _usable(answers.work_items(reply.data), reply)
        return found

    def fields(self, project_key: str, type_key: str, *, token: Token) -> list[Field]:
        """All fields of the type: types, options and how values come about."""
        call = Call("POST", f"/open_api/{_segment(project_key)}/field/all", {"work_item_type_key": type_key})
        reply = self._send(call, token=token)
        return _usable(answers.fields(reply.data), reply)

    def meta(self, project_key: str, type_key: str, *, token: Token) -> list[Field]:
        """The fields of the creation form, with `relation` and `is_required`; may lack fields that `fields` has."""
        path = f"/open_api/{_segment(project_key)}/work_item/{_segment(type_key)}/meta"
        reply = self._send(Call("GET", path), token=token)
        return _usable(answers.fields(reply.data), reply)

    def projects_detail(
        self, project_keys: Sequence[str] = (), simple_names: Sequence[str] = (), *, token: Token
    ) -> list[Project]:
        body = {"project_keys": list(project_keys), "simple_names": list(simple_names), "user_key": self._user_key}
        reply = self._send(Call("POST", "/open_api/projects/detail", body), token=token)
        return _usable(answers.projects(reply.data), reply)

    def people(self, emails: Sequence[str], *, token: Token) -> list[Person]:
        """Those of up to MAX_PEOPLE_PER_QUERY addresses that somebody has."""
        return self._people({"emails": list(emails)}, token)

    def people_of_keys(self, user_keys: Sequence[str], *, token: Token) -> list[Person]:
        """Those of up to MAX_PEOPLE_PER_QUERY keys that somebody has."""
        return self._people({"user_keys": list(user_keys)}, token)

    def knows_own_user(self, *, token: Token) -> bool:
        """Whether the user who acts is there: asks for that one, as that one."""
        return any(one.user_key == self._user_key for one in self.people_of_keys([self._user_key], token=token))

    def all_types(self, project_key: str, *, token: Token) -> list[ItemType]:
        call = Call("GET", f"/open_api/{_segment(project_key)}/work_item/all-types")
        reply = self._send(call, token=token)
        return _usable(answers.item_types(reply.data), reply)

    def _people(self, asked: Mapping[str, list[str]], token: Token) -> list[Person]:
        reply = self._send(Call("POST", "/open_api/user/query", asked), token=token)
        return _usable(answers.people(reply.data), reply)

    def _send(self, call: Call, *, token: Token | None, user_key: str | None = None) -> Reply:
        answer = self._transport.exchange(
            call.method,
            call.path,
            write=call.write,
            headers=self._headers(call, token, user_key),
            content=_encoded(call.body),
            params=call.params,
            may_leave=call.may_leave,
        )
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

    def _headers(self, call: Call, token: Token | None, user_key: str | None) -> dict[str, str]:
        if token is None:
            return {}
        self._secrets.note(token.value.get_secret_value())
        actor = user_key or self._user_key
        if not (actor.isascii() and actor.isprintable()):
            raise BatchRefused("the user key has characters that no user key has")
        headers = {
            "X-PLUGIN-TOKEN": token.value.get_secret_value(),
            "X-USER-KEY": actor,
            "X-IDEM-UUID": call.idem_uuid,
        }
        return {name: value for name, value in headers.items() if value} | self._extra_headers

    def _token(self, reply: Reply, asked_at: float) -> Token:
        value, lifetime = answers.token(reply.data)
        if not value:
            raise NotExecuted("the answer holds no usable token", **_details(reply))
        if lifetime is None or lifetime > LONGEST_TOKEN_LIFETIME:
            lifetime = DEFAULT_TOKEN_LIFETIME
        return Token.issued(value, at=asked_at, lifetime=lifetime)


def _usable(result: T | None, reply: Reply) -> T:
    if result is None:
        raise NotExecuted(
            "the answer does not have the shape of this endpoint, or is about another job", **_details(reply)
        )
    return result


def _details(reply: Reply) -> dict[str, Any]:
    return {"log_id": reply.log_id, "http_status": reply.http_status, "exchange": reply.exchange}


def _halves(part: list[int]) -> list[list[int]]:
    """Nothing for a single item: it is the missing one."""
    middle = len(part) // 2
    return [part[:middle], part[middle:]] if middle else []


def _encoded(body: Mapping[str, Any] | None) -> bytes | None:
    if body is None:
        return None
    try:
        return json.dumps(body, allow_nan=False, separators=(",", ":")).encode()
    except (ValueError, TypeError, RecursionError) as error:
        reason = type(error).__name__
    raise BatchRefused(f"the value cannot be written as JSON ({reason})")


def _segment(key: str) -> str:
    """One segment of an address. Dots would climb up the path, and an empty one would name another endpoint."""
    if not key.strip("."):
        raise SpaceRefused(f"{key!r} is no key of a space or an item type")
    return quote(key, safe="")
