"""The remote API's endpoints that we use, one method each. Errors: see `worker.remote.errors`."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from urllib.parse import quote

from pydantic import SecretStr

from worker.remote import answers
from worker.remote.calls import ApiCall, Calls, Reply, RequestKind, details, usable
from worker.remote.codes import DEFAULT_TABLE, RESTART, THE_CREDENTIALS, ErrorTable
from worker.remote.errors import (
    BatchRefused,
    IdempotencyClash,
    LaneStopped,
    NotExecuted,
    OutcomeUnknown,
    SpaceRefused,
    TokenRejected,
)
from worker.remote.limits import MAX_ITEMS_PER_BATCH, MAX_ITEMS_PER_QUERY, MAX_ITEMS_PER_VIEW_PAGE
from worker.remote.models import (
    Accepted,
    BatchUpdate,
    Field,
    ItemType,
    ItemUpdate,
    ItemWritten,
    JobReport,
    Person,
    Project,
    Token,
    ViewPage,
    WorkItem,
)
from worker.remote.secrets import Secrets
from worker.remote.transport import HttpTransport

MAX_PEOPLE_PER_QUERY = 100  # official page
MAX_CALLS_PER_QUERY = 30  # our own limit: searching for missing items must not use up the 15 requests a second
DEFAULT_TOKEN_LIFETIME = 3600.0  # seconds, if the answer names none; half of the usual 7200
LONGEST_TOKEN_LIFETIME = 30 * 86400.0  # seconds; more must be a point in time or another unit
ITEM_NOT_FOUND = 30005
CREDENTIALS_ADVICE = f"Check the base URL, the token type and {THE_CREDENTIALS}, {RESTART}"


class RemoteClient:
    """`user_key`: the acting user of calls without their own. `token_type`: 0 plugin token, 1 virtual token.

    `extra_headers` are sent with every call except the log-in: `x-auth-mode: 1`, for example, makes the remote system apply the acting
    user's permissions instead of the plugin's (several restatements). `clock` returns unix seconds. Every method raises `RemoteError`s only.
    """

    def __init__(
        self,
        transport: HttpTransport,
        *,
        plugin_id: str,
        plugin_secret: SecretStr,
        user_key: str,
        table: ErrorTable = DEFAULT_TABLE,
        token_type: int = 0,
        extra_headers: Mapping[str, str] | None = None,
        missing_item_codes: Collection[int] = (ITEM_NOT_FOUND,),
        clock: Callable[[], float] = time.time,
        on_request: Callable[[str], None] = lambda _kind: None,
    ) -> None:
        """`on_request`: gets the kind of each request that was, or may have been, sent (`RequestKind`)."""
        self._plugin_id = plugin_id
        self._plugin_secret = plugin_secret
        self._user_key = user_key
        self._token_type = token_type
        self._missing_item_codes = frozenset(missing_item_codes)
        self._clock = clock
        secrets = Secrets(plugin_secret.get_secret_value())
        self._calls = Calls(transport, secrets, user_key, table, dict(extra_headers or {}), on_request)

    def authenticate(self) -> Token:
        """A new token. Raises LaneStopped for refused credentials, with any code."""
        asked_at = self._clock()
        body = {
            "plugin_id": self._plugin_id,
            "plugin_secret": self._plugin_secret.get_secret_value(),
            "type": self._token_type,
        }
        try:
            reply = self._calls.send(
                ApiCall("POST", "/open_api/authen/plugin_token", body, kind=RequestKind.TOKEN), token=None
            )
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
        """Submit one batch. Only `Accepted` and some errors prove that the remote system has received it.

        `may_leave` is called right before the first byte, after connecting; raises Withheld if it returns False.
        """
        if not 1 <= len(update.work_item_ids) <= MAX_ITEMS_PER_BATCH:
            raise BatchRefused(f"a batch has 1 to {MAX_ITEMS_PER_BATCH} items", splittable=bool(update.work_item_ids))
        path = "/open_api/work_item/batch_update"
        kind = RequestKind.BATCH_UPDATE
        call = ApiCall("POST", path, update.body(), write=True, idem_uuid=idem_uuid, may_leave=may_leave, kind=kind)
        reply = self._calls.send(call, token=token, user_key=user_key)
        task_id = answers.task_id(reply.data)
        if not task_id:
            raise OutcomeUnknown("accepted without a task_id", **details(reply))
        return Accepted(task_id, reply.log_id, reply.exchange)

    def update_item(
        self,
        update: ItemUpdate,
        *,
        token: Token,
        idem_uuid: str,
        user_key: str | None = None,
        may_leave: Callable[[], bool] | None = None,
    ) -> ItemWritten:
        """Write fields of one item, synchronously. Errors and `may_leave` as for `batch_update`; see `errors.is_route_refused`, too."""
        keys = [key for key, _ in update.fields]
        if not keys or len(set(keys)) < len(keys):
            raise BatchRefused("a single update has one or more fields, each of them once")
        space, type_key = _segment(update.project_key), _segment(update.work_item_type_key)
        path, kind = f"/open_api/{space}/work_item/{type_key}/{update.work_item_id}", RequestKind.SINGLE_UPDATE
        call = ApiCall("PUT", path, update.body(), write=True, idem_uuid=idem_uuid, may_leave=may_leave, kind=kind)
        reply = self._calls.send(call, token=token, user_key=user_key)
        return ItemWritten(reply.log_id, reply.exchange)

    def task_result(self, task_id: str, *, token: Token) -> JobReport:
        call = ApiCall("GET", "/open_api/task_result", params={"task_id": task_id}, kind=RequestKind.TASK_RESULT)
        reply = self._calls.send(call, token=token)
        return usable(answers.job_report(task_id, reply.data, reply.exchange, reply.log_id), reply)

    def query_items(
        self,
        project_key: str,
        type_key: str,
        ids: Sequence[int],
        fields: Sequence[str],
        *,
        token: Token,
        user_key: str | None = None,
        before_next_call: Callable[[], bool] = lambda: True,
    ) -> list[WorkItem]:
        """The items that exist, in no particular order; the missing ones are absent.

        `before_next_call` waits for permission to send each request except the first. Raises NotExecuted if it returns False.

        A call that fails because of a missing item is halved until the item is alone. Raises BatchRefused if that takes
        more than MAX_CALLS_PER_QUERY calls.
        """
        path = f"/open_api/{_segment(project_key)}/work_item/{_segment(type_key)}/query"
        found: list[WorkItem] = []
        waiting = [list(ids[at : at + MAX_ITEMS_PER_QUERY]) for at in range(0, len(ids), MAX_ITEMS_PER_QUERY)]
        most_calls = MAX_CALLS_PER_QUERY + len(waiting)
        made = 0
        while waiting:
            if made and not before_next_call():
                raise NotExecuted("no slot became free in time")
            made += 1
            part = waiting.pop()
            body = {"work_item_ids": part, "fields": list(fields)}
            call = ApiCall("POST", path, body, kind=RequestKind.QUERY)
            try:
                reply = self._calls.send(call, token=token, user_key=user_key)
            except BatchRefused as error:
                if error.code not in self._missing_item_codes or made >= most_calls:
                    raise
                waiting += _halves(part)
            else:
                found += usable(answers.work_items(reply.data), reply)
        return found

    def view_page(self, project_key: str, view_id: str, number: int, *, token: Token) -> ViewPage:
        """One page of a fixed or condition view, as it was saved; pages are counted from 1."""
        path = f"/open_api/{_segment(project_key)}/fix_view/{_segment(view_id)}"
        params = {"page_size": str(MAX_ITEMS_PER_VIEW_PAGE), "page_num": str(number)}
        reply = self._calls.send(ApiCall("GET", path, params=params), token=token)
        return usable(answers.view_page(reply.data), reply)

    def fields(self, project_key: str, type_key: str, *, token: Token) -> list[Field]:
        """All fields of the type: types, options, and whether values are calculated."""
        call = ApiCall("POST", f"/open_api/{_segment(project_key)}/field/all", {"work_item_type_key": type_key})
        reply = self._calls.send(call, token=token)
        return usable(answers.fields(reply.data), reply)

    def meta(self, project_key: str, type_key: str, *, token: Token) -> list[Field]:
        """The fields of the creation form, with `relation` and `is_required`; may lack fields that `fields` has."""
        path = f"/open_api/{_segment(project_key)}/work_item/{_segment(type_key)}/meta"
        reply = self._calls.send(ApiCall("GET", path), token=token)
        return usable(answers.fields(reply.data), reply)

    def projects_detail(
        self, project_keys: Sequence[str] = (), simple_names: Sequence[str] = (), *, token: Token
    ) -> list[Project]:
        body = {"project_keys": list(project_keys), "simple_names": list(simple_names), "user_key": self._user_key}
        reply = self._calls.send(ApiCall("POST", "/open_api/projects/detail", body), token=token)
        return usable(answers.projects(reply.data), reply)

    def people(self, emails: Sequence[str], *, token: Token) -> list[Person]:
        """The existing people of up to MAX_PEOPLE_PER_QUERY addresses."""
        return self._people({"emails": list(emails)}, token)

    def people_of_keys(self, user_keys: Sequence[str], *, token: Token) -> list[Person]:
        """The existing people of up to MAX_PEOPLE_PER_QUERY keys."""
        return self._people({"user_keys": list(user_keys)}, token)

    def knows_own_user(self, *, token: Token) -> bool:
        """Whether the acting user exists: looks up that user, acting as that user."""
        return any(one.user_key == self._user_key for one in self.people_of_keys([self._user_key], token=token))

    def all_types(self, project_key: str, *, token: Token) -> list[ItemType]:
        call = ApiCall("GET", f"/open_api/{_segment(project_key)}/work_item/all-types")
        reply = self._calls.send(call, token=token)
        return usable(answers.item_types(reply.data), reply)

    def _people(self, asked: Mapping[str, list[str]], token: Token) -> list[Person]:
        reply = self._calls.send(ApiCall("POST", "/open_api/user/query", asked), token=token)
        return usable(answers.people(reply.data), reply)

    def _token(self, reply: Reply, asked_at: float) -> Token:
        value, lifetime = answers.token(reply.data)
        if not value:
            raise NotExecuted("the answer contains no usable token", **details(reply))
        if lifetime is None or lifetime > LONGEST_TOKEN_LIFETIME:
            lifetime = DEFAULT_TOKEN_LIFETIME
        return Token.issued(value, at=asked_at, lifetime=lifetime)


def _halves(part: list[int]) -> list[list[int]]:
    """Empty for a single item: it is the missing one."""
    middle = len(part) // 2
    return [part[:middle], part[middle:]] if middle else []


def _segment(key: str) -> str:
    """One path segment. Dots would change the path, and an empty segment would select another endpoint."""
    if not key.strip("."):
        raise SpaceRefused(f"{key!r} is not a key of a space or an item type")
    return quote(key, safe="")
