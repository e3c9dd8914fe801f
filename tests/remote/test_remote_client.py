import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from tests.support.strategies import recursive
from worker.remote.client import DEFAULT_TOKEN_LIFETIME, MAX_CALLS_PER_QUERY, RemoteClient
from worker.remote.errors import BatchRefused, LaneStopped, NotExecuted, OutcomeUnknown, RemoteError, SpaceRefused
from worker.remote.models import BatchUpdate, Exchange, JobStatus, Option, Project, Token
from worker.remote.secrets import MASK
from worker.remote.transport import Answer

TOKEN = Token.issued("p-token", at=0, lifetime=7200)
NOW = 1_000_000.0


class FakeTransport:
    """Answers by a function of the request; remembers the requests."""

    def __init__(self, answer):
        self.answer, self.calls = answer, []

    def exchange(self, method, path, **request):
        request["body"] = json.loads(request.pop("content") or b"null")
        self.calls.append({"method": method, "path": path, **request})
        answer = self.answer(self.calls[-1]) if callable(self.answer) else self.answer
        return Answer(
            200, answer if isinstance(answer, bytes) else json.dumps(answer).encode(), "log-h", Exchange(1, 2)
        )


def client(answer, **options):
    transport = FakeTransport(answer)
    options = {"plugin_id": "MII", "plugin_secret": SecretStr("s3cret"), "user_key": "u1"} | options
    return RemoteClient(transport, clock=lambda: NOW, **options), transport.calls


def ok(data):
    return {"err": {}, "err_code": 0, "err_msg": "", "data": data}


def update(**changes):
    values = {
        "project_key": "p", "work_item_type_key": "story", "work_item_ids": (1, 2), "field_key": "field_x",
        "update_mode": "UPDATE", "before_field_value": None, "after_field_value": None, "has_before": False,
    }  # fmt: skip
    return BatchUpdate(**(values | changes))


def submit(answer, **changes):
    remote, calls = client(answer)
    return remote.batch_update(update(**changes), token=TOKEN, idem_uuid="uuid-1"), calls[0]


def test_a_submit_sends_the_documented_body_and_headers():
    accepted, call = submit(ok({"task_id": "JOB-1"}))
    assert (accepted.task_id, accepted.log_id, accepted.exchange) == ("JOB-1", "log-h", Exchange(1, 2))
    assert (call["method"], call["path"], call["write"]) == ("POST", "/open_api/work_item/batch_update", True)
    assert call["headers"] == {"X-PLUGIN-TOKEN": "p-token", "X-USER-KEY": "u1", "X-IDEM-UUID": "uuid-1"}
    assert call["body"] == {
        "project_key": "p", "work_item_ids": [1, 2], "work_item_type_key": "story", "update_mode": "UPDATE",
        "field_key": "field_x", "after_field_value": None,
    }  # fmt: skip


def test_a_replacement_sends_its_before_value_even_if_it_is_null():
    _, call = submit(ok({"task_id": "J"}), update_mode="REPLACE", has_before=True)
    assert call["body"]["before_field_value"] is None


def test_ids_beyond_double_precision_stay_exact():
    _, call = submit(ok({"task_id": "J"}), work_item_ids=(2**63 - 1,))
    assert call["body"]["work_item_ids"] == [2**63 - 1]


@pytest.mark.parametrize("data", [None, {}, {"task_id": ""}, {"task_id": None}, [], {"task_id": True}])
def test_an_acceptance_without_a_job_has_an_unknown_outcome(data):
    with pytest.raises(OutcomeUnknown) as caught:
        submit(ok(data))
    assert caught.value.exchange == Exchange(1, 2)


@pytest.mark.parametrize(
    "changes", [{"work_item_ids": ()}, {"work_item_ids": tuple(range(1, 52))}, {"after_field_value": float("nan")}]
)
def test_a_batch_that_cannot_be_right_is_refused_before_a_request_is_spent(changes):
    remote, calls = client(ok({"task_id": "J"}))
    with pytest.raises(BatchRefused):
        remote.batch_update(update(**changes), token=TOKEN, idem_uuid="u")
    assert calls == []


def test_a_user_key_that_fits_no_header_is_refused():
    remote, calls = client(ok({"task_id": "J"}))
    with pytest.raises(BatchRefused):
        remote.batch_update(update(), token=TOKEN, idem_uuid="u", user_key="张三\n")
    assert calls == []


def test_the_acting_user_of_a_call_outranks_the_default_and_rights_can_be_enforced():
    remote, calls = client(ok({"task_id": "J"}), extra_headers={"x-auth-mode": "1"})
    remote.batch_update(update(), token=TOKEN, idem_uuid="u", user_key="u2")
    assert calls[0]["headers"]["X-USER-KEY"] == "u2"
    assert calls[0]["headers"]["x-auth-mode"] == "1"


def test_secrets_that_the_remote_system_echoes_are_masked():
    with pytest.raises(BatchRefused) as caught:
        submit({"err_code": 9999, "err_msg": "p-token s3cret", "err": {"msg": "p-token"}})
    assert not {"p-token", "s3cret"} & set(f"{caught.value} {caught.value!r}".replace("(", " ").split())


def test_authenticating_reads_its_own_envelope():
    remote, calls = client(
        {"error": {"code": 0, "msg": "success"}, "data": {"token": "p-1", "expire_time": 7200}}, token_type=1
    )
    token = remote.authenticate()
    assert (token.value.get_secret_value(), token.expires_at, token.lifetime) == ("p-1", NOW + 7200, 7200)
    assert calls[0]["body"] == {"plugin_id": "MII", "plugin_secret": "s3cret", "type": 1}
    assert calls[0]["headers"] == {}


@pytest.mark.parametrize("expire_time", [None, 0, -5, "soon", 1_700_000_000, [], float("inf")])
def test_an_absurd_lifetime_becomes_a_sane_one(expire_time):
    remote, _ = client({"error": {"code": 0}, "data": {"token": "p-1", "expire_time": expire_time}})
    assert remote.authenticate().lifetime == DEFAULT_TOKEN_LIFETIME


@pytest.mark.parametrize("data", [None, {}, {"token": ""}, {"token": "a\r\nb"}, {"token": "é"}, {"token": 5}])
def test_an_unusable_token_is_not_used(data):
    remote, _ = client({"error": {"code": 0}, "data": data})
    with pytest.raises(NotExecuted):
        remote.authenticate()


@pytest.mark.parametrize("code", [10022, 20006, 30001, 10204, 999])
def test_refused_credentials_stop_the_lane_with_advice(code):
    remote, _ = client({"error": {"code": code, "msg": "s3cret is wrong"}})
    with pytest.raises(LaneStopped) as caught:
        remote.authenticate()
    assert caught.value.advice
    assert caught.value.code == code
    assert "s3cret" not in str(caught.value)
    assert caught.value.__context__ is None


def report(data):
    remote, calls = client(ok(data))
    return remote.task_result("J 1", token=TOKEN), calls[0]


def test_a_job_report_reads_lists_counters_and_scenes():
    found, call = report({
        "task_id": "J 1", "task_status": "FAILED", "total": 3, "success_total": "1", "error_total": 1,
        "success_sub_task_list": ["1"], "fail_sub_task_list": [2], "error_scenes": ["WorkItemTerminated"],
    })  # fmt: skip
    assert (found.status, found.total, found.success_total, found.error_total) == (JobStatus.FAILED, 3, 1, 1)
    assert (found.succeeded, found.failed, found.scenes) == ((1,), (2,), ("WorkItemTerminated",))
    assert found.is_final
    assert not found.is_garbled
    assert (call["method"], call["params"], call["write"]) == ("GET", {"task_id": "J 1"}, False)


def test_a_bare_job_report_has_none_for_what_is_missing():
    found, _ = report({"task_status": "success", "success_sub_task_list": [], "fail_sub_task_list": None})
    assert (found.status, found.total, found.succeeded, found.failed) == (JobStatus.SUCCESS, None, (), None)


@pytest.mark.parametrize(
    "told",
    [
        {"fail_sub_task_list": ["2", "x"]},
        {"success_sub_task_list": "1,2"},
        {"success_sub_task_list": {"1": True}},
        {"success_sub_task_list": [None]},
        {"success_total": "three"},
        {"total": 1.5},
        {"error_total": []},
    ],
)
def test_what_cannot_be_read_of_a_job_report_is_not_taken_for_missing(told):
    assert report({"task_status": "SUCCESS", **told})[0].is_garbled


def test_an_id_that_is_listed_twice_stays_so():
    assert report({"task_status": "SUCCESS", "success_sub_task_list": ["1", 1, "2"]})[0].succeeded == (1, 1, 2)


def test_a_report_about_another_job_is_none():
    for told in ("J 1", "WORK-J 1", "", None):
        assert report({"task_status": "SUCCESS", "task_id": told})[0].task_id == "J 1"
    with pytest.raises(NotExecuted):
        report({"task_status": "SUCCESS", "task_id": "J 2"})
    remote, _ = client(ok({"task_id": "73", "task_status": "SUCCESS"}))
    assert remote.task_result("WORK_ITEM_BATCH_UPDATE-73", token=TOKEN).task_id == "WORK_ITEM_BATCH_UPDATE-73"


def test_a_new_status_word_is_unknown_and_kept():
    found, _ = report({"task_status": "PAUSED"})
    assert (found.status, found.word, found.is_final) == (JobStatus.UNKNOWN, "PAUSED", False)


def test_a_report_that_is_none_is_asked_for_again():
    with pytest.raises(NotExecuted):
        report("what?")


def existing(*missing):
    def answer(call):
        ids = call["body"]["work_item_ids"]
        if set(missing) & set(ids):
            return {"err_code": 30005, "err_msg": "WorkItem Not Found"}
        cells = [{"field_key": "f", "field_type_key": "multi-select", "field_value": 1}]
        return ok([{"id": str(number), "name": "n", "fields": cells} for number in ids])

    return answer


def query(remote, ids):
    return remote.query_items("p k", "t/y", ids, ["f"], token=TOKEN)


def test_items_are_read_back_with_values_and_types():
    remote, calls = client(existing())
    item = query(remote, [5])[0]
    assert (item.id, item.fields, item.types) == (5, {"f": 1, "name": "n"}, {"f": "multi_select", "name": "text"})
    assert calls[0]["path"] == "/open_api/p%20k/work_item/t%2Fy/query"
    assert calls[0]["body"] == {"work_item_ids": [5], "fields": ["f"]}


def test_missing_items_are_found_by_halving():
    remote, calls = client(existing(7, 31))
    assert {item.id for item in query(remote, range(1, 51))} == set(range(1, 51)) - {7, 31}
    assert len(calls) <= MAX_CALLS_PER_QUERY


def test_without_a_slot_the_next_call_is_not_sent():
    remote, calls = client(existing(7))
    slots = iter([True, True, False])
    with pytest.raises(NotExecuted, match="no slot"):
        remote.query_items("p", "story", range(1, 51), ["f"], token=TOKEN, before_next_call=lambda: next(slots))
    assert len(calls) == 3


def test_looking_for_missing_items_is_bounded():
    remote, calls = client(existing(*range(1, 51)))
    with pytest.raises(BatchRefused):
        query(remote, range(1, 51))
    assert len(calls) == MAX_CALLS_PER_QUERY + 1


def test_more_than_fifty_items_take_more_calls_and_none_takes_no_call():
    remote, calls = client(existing())
    assert len(query(remote, range(1, 121))) == 120
    assert [len(call["body"]["work_item_ids"]) for call in calls] == [20, 50, 50]
    assert query(remote, []) == []
    assert len(calls) == 3


@pytest.mark.parametrize("key", ["", ".", ".."])
def test_a_key_that_would_change_the_address_is_refused(key):
    remote, calls = client(ok([]))
    with pytest.raises(SpaceRefused):
        remote.all_types(key, token=TOKEN)
    assert calls == []


FIELD = {
    "field_key": "f", "field_name": "F", "field_type_key": "tree-select", "value_generate_mode": "Default",
    "options": [{"label": "A", "value": "a", "is_disabled": 2, "children": [{"label": "B", "value": "b", "is_disabled": 1}]}],
}  # fmt: skip


def test_fields_come_with_their_tree_of_options():
    remote, calls = client(ok([FIELD, {"no": "key"}, 5]))
    (found,) = remote.fields("p", "story", token=TOKEN)
    assert found.type_key == "tree_select"
    assert found.options == (Option("a", "A", (Option("b", "B", is_disabled=True),)),)
    assert found.is_writable
    assert (calls[0]["path"], calls[0]["body"]) == ("/open_api/p/field/all", {"work_item_type_key": "story"})


@pytest.mark.parametrize(
    "changes", [{"value_generate_mode": "Calculate"}, {"field_type_key": "signal"}, {"field_type_key": "multi-file"}]
)
def test_calculated_fields_and_some_types_cannot_be_written(changes):
    remote, _ = client(ok([FIELD | changes]))
    assert not remote.fields("p", "story", token=TOKEN)[0].is_writable


def test_the_form_tells_required_fields_and_relations():
    remote, calls = client(ok([FIELD | {"is_required": 1, "work_item_relation": {"id": "r"}}]))
    (found,) = remote.meta("p", "story", token=TOKEN)
    assert (found.is_required, found.relation) == (True, {"id": "r"})
    assert (calls[0]["method"], calls[0]["path"]) == ("GET", "/open_api/p/work_item/story/meta")


def test_a_view_is_read_by_pages_of_two_hundred():
    told = {
        "view_id": "v/1",
        "name": "Sprint",
        "work_item_id_list": [1, "2"],
        "pagination": {"page_num": 3, "total": "402"},
    }
    remote, calls = client(ok(told))
    page = remote.view_page("demo", "v/1", 3, token=TOKEN)
    assert (page.name, page.ids, page.total) == ("Sprint", (1, 2), 402)
    assert calls[0]["path"] == "/open_api/demo/fix_view/v%2F1"
    assert calls[0]["params"] == {"page_size": "200", "page_num": "3"}
    bare, _ = client(ok({"work_item_id_list": []}))
    assert bare.view_page("demo", "v", 1, token=TOKEN).total is None


def test_spaces_and_types_are_listed():
    remote, calls = client(ok({"k": {"simple_name": "s", "name": "N"}}))
    assert remote.projects_detail(simple_names=["s"], token=TOKEN) == [Project("k", "s", "N")]
    assert calls[0]["body"] == {"project_keys": [], "simple_names": ["s"], "user_key": "u1"}
    remote, _ = client(ok([{"type_key": "story", "name": "需求", "api_name": "story", "is_disable": 2}]))
    assert not remote.all_types("p", token=TOKEN)[0].is_disabled


@pytest.mark.parametrize("junk", [5, "x", {"a": 1}, [None, 5, "x", {}], [{"id": {}, "field_key": [], "fields": 5}]])
def test_junk_in_place_of_data_is_an_error_or_nothing_at_all(junk):
    remote, _ = client(ok(junk))
    calls = [
        lambda: remote.fields("p", "t", token=TOKEN),
        lambda: query(remote, [1]),
        lambda: remote.view_page("p", "v", 1, token=TOKEN),
        lambda: remote.all_types("p", token=TOKEN),
    ]
    for call in calls:
        with suppress(NotExecuted):
            assert call() == []


JSON = recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "fields", "field_key", "options", "type_key", "token", "task_id"]), inner
        )
    ),
    max_leaves=8,
)


@settings(deadline=None)
@given(st.binary() | JSON.map(lambda data: json.dumps(ok(data)).encode()))
def test_whatever_is_answered_every_call_ends_in_a_result_or_a_remote_error(body):
    remote, _ = client(body)
    for call in (
        remote.authenticate,
        lambda: remote.batch_update(update(), token=TOKEN, idem_uuid="u"),
        lambda: remote.task_result("J", token=TOKEN),
        lambda: query(remote, [1]),
        lambda: remote.fields("p", "t", token=TOKEN),
        lambda: remote.projects_detail(token=TOKEN),
        lambda: remote.view_page("p", "v", 1, token=TOKEN),
        lambda: remote.all_types("p", token=TOKEN),
    ):
        with suppress(RemoteError):
            call()


def test_a_token_that_was_used_before_is_masked_as_well_as_the_present_one():
    remote, _ = client({"err_code": 9999, "err_msg": "p-token-1 p-token-2"})
    for number in (1, 2):
        with pytest.raises(BatchRefused) as caught:
            remote.batch_update(update(), token=Token.issued(f"p-token-{number}", at=0, lifetime=9), idem_uuid="u")
    assert "p-token" not in str(caught.value)


def test_job_names_words_scenes_and_log_ids_are_masked_but_not_what_a_cell_holds():
    told = {"task_status": "p-token", "error_scenes": ["p-token!"], "success_sub_task_list": []}
    remote, _ = client(lambda call: ok(told if "task_result" in call["path"] else {"task_id": "p-token"}))
    report = remote.task_result("j", token=TOKEN)
    assert "p-token" not in repr(report)
    assert remote.batch_update(update(), token=TOKEN, idem_uuid="u").task_id == MASK
    cell = {"field_key": "f", "field_type_key": "text", "field_value": "p-token"}
    remote, _ = client(ok([{"id": 1, "name": "p-token", "fields": [cell]}]))
    [item] = remote.query_items("p", "story", [1], ["f"], token=TOKEN)
    assert (item.fields["f"], item.name) == ("p-token", MASK)
