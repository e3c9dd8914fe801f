"""The endpoint for one item: the request, its errors, and both against the sandbox."""

import itertools

import pytest
from pydantic import SecretStr

from sandbox.process import SandboxProcess
from tests.remote.test_remote_client import client, ok
from worker.remote.client import RemoteClient
from worker.remote.codes import DEFAULT_TABLE, classify, error_table
from worker.remote.envelope import Envelope
from worker.remote.errors import (
    BatchRefused,
    IdempotencyClash,
    LaneStopped,
    NotExecuted,
    OutcomeUnknown,
    RateLimited,
    SpaceRefused,
    Withheld,
    is_route_refused,
)
from worker.remote.models import BatchUpdate, Exchange, ItemUpdate, Token
from worker.remote.transport import HttpTransport

TOKEN = Token.issued("p-token", at=0, lifetime=7200)
PROJECT, USER = "5f0c1a2b3c4d5e6f70818283", "7300000000000000001"
NOTE, POINTS, PRIORITY = "field_a1b2c3", "field_3f6a90", "priority"
uuids = (f"uuid-{number}" for number in itertools.count())


def update(item=1001, fields=((NOTE, "hello"), (POINTS, 5)), *, space=PROJECT, kind="story"):
    return ItemUpdate(space, kind, item, tuple(fields))


# --- the request ----------------------------------------------------------------------------------------------------


def test_a_single_update_sends_the_documented_request():
    remote, calls = client(ok({}))
    may_leave = lambda: True  # noqa: E731 - it is compared by identity
    sent = update(2**63 - 1, [(NOTE, None), (PRIORITY, {"value": "a"})], kind="a/b")
    written = remote.update_item(sent, token=TOKEN, idem_uuid="uuid-1", user_key="u2", may_leave=may_leave)
    assert (written.log_id, written.exchange) == ("log-h", Exchange(1, 2))
    [call] = calls
    assert (call["method"], call["write"], call["may_leave"]) == ("PUT", True, may_leave)
    assert call["path"] == f"/open_api/{PROJECT}/work_item/a%2Fb/9223372036854775807"
    assert call["headers"] == {"X-PLUGIN-TOKEN": "p-token", "X-USER-KEY": "u2", "X-IDEM-UUID": "uuid-1"}
    assert call["body"] == {
        "update_fields": [
            {"field_key": NOTE, "field_value": None},
            {"field_key": PRIORITY, "field_value": {"value": "a"}},
        ]
    }


@pytest.mark.parametrize("answer", [ok({}), ok(None), {"err_code": 0}, {"code": 0, "data": "anything"}])
def test_an_answer_needs_no_data(answer):
    remote, _ = client(answer)
    assert remote.update_item(update(), token=TOKEN, idem_uuid="u").exchange == Exchange(1, 2)


@pytest.mark.parametrize(
    "answer",
    [
        {"err_code": 0, "err_msg": "context deadline exceeded", "data": {}},
        {"err_code": 0, "err_msg": "", "data": {"err_code": 20050, "err_msg": "bad option"}},
        {"err_code": 0, "data": {"success": False}},
        {"err_code": 0, "err_msg": "", "err": {"code": 50006, "msg": "read/write db"}},
    ],
)
def test_a_success_that_contradicts_itself_proves_nothing(answer):
    """The word alone would call the change done: it is read back."""
    remote, _ = client(answer)
    with pytest.raises(OutcomeUnknown):
        remote.update_item(update(), token=TOKEN, idem_uuid="u")


@pytest.mark.parametrize("fields", [(), ((NOTE, 1), (NOTE, 2)), ((NOTE, float("nan")),)])
def test_what_cannot_be_right_is_refused_before_a_request_is_spent(fields):
    remote, calls = client(ok({}))
    with pytest.raises(BatchRefused):
        remote.update_item(update(fields=fields), token=TOKEN, idem_uuid="u")
    assert calls == []


@pytest.mark.parametrize("where", [{"space": ".."}, {"kind": ""}])
def test_a_key_that_would_change_the_path_is_refused(where):
    remote, calls = client(ok({}))
    with pytest.raises(SpaceRefused):
        remote.update_item(update(**where), token=TOKEN, idem_uuid="u")
    assert calls == []


# --- a route that is refused ----------------------------------------------------------------------------------------


def refusal(code, status, text="no", table=DEFAULT_TABLE):
    return classify(Envelope(code, text), status, write=True, table=table)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        *((10301, status) for status in (403, 401, 400, 200)),
        *((code, status) for code in (None, 10404, 123456) for status in (404, 405)),
    ],
)
def test_an_endpoint_that_is_not_allowed_or_not_there_is_recognised(code, status):
    assert is_route_refused(refusal(code, status))


@pytest.mark.parametrize(
    ("code", "status"),
    [
        *((code, 404) for code in (30005, 20014, 10001, 30009, 30001, 1000052062, 20006)),
        *((code, 404) for code in (0, 10429, 10022, 50006, 50007)),
        *((None, status) for status in (200, 302, 403, 502)),
        *((10301, status) for status in (500, 502)),
        *[(10404, 403), (123456, 400), (99991403, 403), (10430, 429)],
    ],
)
def test_what_is_about_an_item_or_the_lane_is_no_refused_route(code, status):
    assert not is_route_refused(refusal(code, status))


def test_a_route_stays_refused_if_a_setting_gives_the_code_another_class():
    assert is_route_refused(refusal(10301, 403, table=error_table({10301: "space"})))
    assert not is_route_refused(refusal(10301, 403, table=error_table({10301: "transient"})))


def test_an_answer_about_unfinished_work_is_no_refused_route():
    assert not is_route_refused(refusal(123456, 404, "context deadline exceeded"))
    assert not is_route_refused(Withheld("the permission to send expired"))


# --- against the sandbox --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shared():
    with SandboxProcess(window=0.01, job_median=0.01, seed=3) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(shared):
    yield shared
    shared.clear_faults()
    shared.set_single_rules(access="allowed", limit=15)
    shared.reset()


@pytest.fixture
def write(sandbox, connect):
    transport = connect(sandbox.base_url, 1.0)
    remote = RemoteClient(transport, plugin_id="plugin", plugin_secret=SecretStr("s"), user_key=USER)
    token = remote.authenticate()

    def send(*fields, item=1001, idem_uuid=None, **more):
        sent = update(item, fields or ((NOTE, "hello"), (POINTS, 5)), **more)
        return remote.update_item(sent, token=token, idem_uuid=idem_uuid or next(uuids))

    return send


def test_an_item_is_written(sandbox, write):
    written = write()
    assert written.log_id
    assert 0 <= written.exchange.duration < 1
    assert sandbox.values() == {1001: {NOTE: "hello", POINTS: 5}}


SAME_FORM = [
    (NOTE, "text"),
    (POINTS, 2.5),
    (PRIORITY, {"value": "option_1"}),
    ("tags", [{"value": "q4w7e9r3y"}]),
    ("field_b7c2d8", {"value": "cmp_pay", "children": {"value": "cmp_pay_card", "children": None}}),
    ("owner", "7300000000000000002"),
    ("watchers", ["7300000000000000002"]),
    ("field_d4e5f6", 1_700_000_000_000),
    ("field_5a4b3c", True),
    ("field_7f8e9d", 5001),
    ("field_6c5b4a", [1002, 1003]),
]


@pytest.mark.parametrize(("field", "value"), [*SAME_FORM, *((field, None) for field, _ in SAME_FORM)], ids=str)
def test_a_value_has_the_same_form_as_in_a_batch(field, value):
    batch = BatchUpdate(PROJECT, "story", (1001,), field, "UPDATE", None, value, has_before=False)
    [row] = update(fields=[(field, value)]).body()["update_fields"]
    assert row == {"field_key": batch.body()["field_key"], "field_value": batch.body()["after_field_value"]}


def test_every_form_is_stored_and_null_clears_it(sandbox, write):
    write(*SAME_FORM)
    held = sandbox.values()[1001]
    assert {key: held[key] for key in (NOTE, "watchers", "field_7f8e9d", "tags")} == {
        NOTE: "text",
        "watchers": ["7300000000000000002"],
        "field_7f8e9d": 5001,
        "tags": [{"value": "q4w7e9r3y"}],
    }
    assert len(held) == len(SAME_FORM)
    write(*((field, None) for field, _ in SAME_FORM))
    assert set(sandbox.values()[1001].values()) == {None}


@pytest.mark.parametrize(
    ("sent", "code", "splittable"),
    [
        ({"fields": [(PRIORITY, {"value": "option_9"})]}, 20050, False),
        ({"fields": [("field_nobody", 1)]}, 30009, False),
        ({"item": 999999}, 30005, True),
        ({"item": 1042}, 10001, True),
        ({"item": 1013}, 20007, True),
    ],
    ids=str,
)
def test_a_refusal_has_its_own_code(write, sent, code, splittable):
    with pytest.raises(BatchRefused) as caught:
        write(*sent.get("fields", ()), item=sent.get("item", 1001))
    assert (caught.value.code, caught.value.splittable) == (code, splittable)
    assert not is_route_refused(caught.value)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("drop_after=1x", OutcomeUnknown),
        ("garbage_after=1x", OutcomeUnknown),
        ("error_before=1x", OutcomeUnknown),
        ("hang_before=1x,seconds=3", OutcomeUnknown),
        ("try_later=1x", NotExecuted),
        ("spurious_429=1x", RateLimited),
        ("refuse=1x,code=30001", SpaceRefused),
        ("refuse=1x,code=99991403", LaneStopped),
    ],
)
def test_errors_are_those_of_a_write(sandbox, write, fault, kind):
    sandbox.set_faults(f"update_item:{fault}")
    with pytest.raises(kind):
        write()


def test_too_many_at_once_and_a_repeated_uuid_are_told_apart(sandbox, write):
    write(idem_uuid="same")
    with pytest.raises(IdempotencyClash):
        write(idem_uuid="same")
    sandbox.set_faults("update_item:refuse=1x,code=10429,status=429")
    with pytest.raises(RateLimited):
        write()


@pytest.mark.parametrize("access", ["10301", "10404", "404", "405"])
def test_a_refused_route_is_recognised(sandbox, write, access):
    sandbox.set_single_rules(access=access)
    with pytest.raises((LaneStopped, OutcomeUnknown)) as caught:
        write()
    assert is_route_refused(caught.value)


def test_a_request_that_may_not_leave_is_withheld(sandbox, connect):
    remote = RemoteClient(connect(sandbox.base_url), plugin_id="plugin", plugin_secret=SecretStr("s"), user_key=USER)
    token = remote.authenticate()
    with pytest.raises(Withheld):
        remote.update_item(update(), token=token, idem_uuid="u", may_leave=lambda: False)
    assert sandbox.values() == {}


def test_the_time_of_an_update_is_read(sandbox, connect):
    transport: HttpTransport = connect(sandbox.base_url)
    remote = RemoteClient(transport, plugin_id="plugin", plugin_secret=SecretStr("s"), user_key=USER)
    token = remote.authenticate()
    before = remote.query_items(PROJECT, "story", [1001], [NOTE], token=token)[0].updated_at
    remote.update_item(update(), token=token, idem_uuid=next(uuids))
    assert remote.query_items(PROJECT, "story", [1001], [NOTE], token=token)[0].updated_at > before
