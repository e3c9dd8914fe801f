# ruff: noqa: PT017 - a result or a declared error, either is right
"""What comes from outside into our own process: answers, files, settings. Nothing raises but what is declared."""

import contextlib
import io
import json
import os

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from config.errors import ConfigError
from config.lanes import load_lanes
from config.settings import Settings, load_settings
from feishu_batch import UpdateIntent
from tests.fuzz.hostile import SECRET, anything, is_clear, nested
from tests.support.strategies import recursive
from worker.importing.columns import ImportFileError
from worker.importing.row import Rejected, Row
from worker.importing.rows import Format, read_rows
from worker.remote.client import RemoteClient
from worker.remote.compare import shows
from worker.remote.errors import RemoteError
from worker.remote.models import Accepted, BatchUpdate, Exchange, JobReport, Token, WorkItem
from worker.remote.transport import Answer

FUZZ = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
TOKEN = Token.issued("p-t0ken", at=0, lifetime=7200)
UPDATE = BatchUpdate("p", "story", (1, 2), "f", "UPDATE", None, "x", has_before=False)


class Wire:
    """A transport that answers with one body."""

    def __init__(self, status, body):
        self.status, self.body = status, body

    def exchange(self, *_, **__):
        return Answer(self.status, self.body, "log\ud800", Exchange(0.0, 0.1))


def json_bytes(value):
    try:
        return json.dumps(value, default=str).encode("utf-8", "surrogatepass")
    except (ValueError, TypeError, RecursionError):
        return b"[" * 100_000


words = st.sampled_from(
    [
        "err",
        "error",
        "err_code",
        "code",
        "msg",
        "err_msg",
        "data",
        "task_id",
        "task_status",
        "success_sub_task_list",
        "fail_sub_task_list",
        "error_scenes",
        "total",
        "token",
        "expire_time",
        "id",
        "fields",
        "field_key",
        "field_value",
    ]
)
envelopes = recursive(
    anything,
    lambda inner: st.one_of(st.dictionaries(words, inner, max_size=5), st.lists(inner, max_size=3)),
    max_leaves=10,
)
answers = st.one_of(
    st.binary(max_size=40),
    envelopes.map(json_bytes),
    envelopes.map(lambda data: json_bytes({"err_code": 0, "data": data})),
    st.dictionaries(words, envelopes, max_size=6).map(lambda data: json_bytes({"err_code": 0, "data": data})),
    st.dictionaries(words, envelopes, max_size=6).map(lambda data: json_bytes({"code": 0, "data": [data]})),
    envelopes.map(lambda text: json_bytes({"err_code": 20006, "err_msg": f"{SECRET} p-t0ken {text!r}"[:2000]})),
)


@FUZZ
@given(st.sampled_from([200, 200, 200, 302, 400, 401, 429, 500, 502]), answers)
@example(200, b'{"err_code": 0, "data":' + b"[" * 100_000)
@example(200, b'{"err_code": 1e999, "data": NaN}')
@example(200, b'{"err_code": ' + b"9" * 5000 + b"}")
@example(200, b'\xef\xbb\xbf{"err_code": 0, "data": {"task_id": "x"}}')
@example(200, b'{"err_code": 0, "data": {"task_id": "\\ud800"}}')
def test_any_answer_is_a_result_or_a_remote_error_without_a_secret(status, body):
    client = RemoteClient(Wire(status, body), plugin_id="id", plugin_secret=SecretStr(SECRET), user_key="u")
    calls = {
        Token: client.authenticate,
        Accepted: lambda: client.batch_update(UPDATE, token=TOKEN, idem_uuid="u"),
        JobReport: lambda: client.task_result("t", token=TOKEN),
        list: lambda: client.query_items("p", "story", [1, 2], ["f"], token=TOKEN),
    }
    for kind, call in calls.items():
        try:
            result = call()
        except RemoteError as error:
            assert is_clear(str(error) + "\n" + repr(error))
            assert SECRET not in str(error)
            assert kind is Token or "p-t0ken" not in str(error)  # the log-in has no token yet that could be masked
        else:
            assert isinstance(result, kind)
            compare_all(result)
            repr(result).encode()


def compare_all(result):
    for item in result if isinstance(result, list) else ():
        assert isinstance(item, WorkItem)
        for key, value in item.fields.items():
            assert shows(item.types.get(key), "UPDATE", None, "x", value) in (True, False, None)


types = st.sampled_from(
    [None, "select", "multi_select", "tree_select", "number", "date", "schedule", "bool", "text", "user", "?"]
)


@FUZZ
@given(types, st.sampled_from(["UPDATE", "APPEND", "REPLACE"]), anything, anything, anything)
def test_any_two_values_can_be_compared(kind, mode, before, after, stored):
    assert shows(kind, mode, before, after, stored) in (True, False, None)


@pytest.mark.parametrize("levels", [900, 5000, 100_000])
def test_values_that_are_nested_too_deeply_cannot_be_compared(levels):
    tree = {"value": "x"}
    for _ in range(levels):
        tree = {"value": "x", "children": tree}
    assert shows("text", "UPDATE", None, "x", nested(levels)) in (False, None)
    assert shows("tree_select", "UPDATE", None, {"value": "x"}, tree) in (False, None)


# --- the importer --------------------------------------------------------------------------------------------------

HEADER = b"project_key,work_item_type_key,work_item_ids,field_key,update_mode,after_field_value\n"
ROW = b"5f0c1a2b3c4d5e6f70818283,story,1,field_a1b2c3,UPDATE,"
cells = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(
        [b"=1+1", b"@SUM(A1)", b"+cmd|' /C calc'!A0", b"\x00", b"\xef\xbb\xbf", b'"', b'"a\nb"', b"1e309", b"NaN"]
    ),
    st.sampled_from([b"[" * 50_000, b"9" * 400, b"-" * 70_000, b'{"value": "x"}', b"\xed\xa0\x80"]),
)


def rows_of(content, kind):
    try:
        return list(read_rows(io.BytesIO(content), kind, "fuzz"))
    except ImportFileError as error:
        assert is_clear(str(error))
        return []


@FUZZ
@given(
    st.sampled_from([b"", b"\xef\xbb\xbf"]),
    st.lists(st.tuples(st.sampled_from([ROW, b"", b",,,,,"]), cells), max_size=4),
)
def test_any_csv_file_is_rows_or_reasons_and_good_rows_stay(mark, lines):
    content = mark + HEADER + ROW + b"first\n" + b"".join(start + cell + b"\n" for start, cell in lines)
    rows = rows_of(content, Format.CSV)
    if not rows:  # no text, or in no encoding that is certain: then nothing of it counts
        return
    assert isinstance(rows[0], Row)
    assert rows[0].intent.after_field_value == "first"
    for row in rows:
        if isinstance(row, Rejected):
            assert is_clear(row.reason)
        else:
            assert UpdateIntent.parse(row.intent.to_json()) == row.intent


@FUZZ
@given(st.binary(max_size=200), st.sampled_from(list(Format)))
@example(b"\x00" * 50, Format.CSV)
@example(b"\xff\xfe" + "project_key".encode("utf-16-le"), Format.CSV)
@example(b'{"a":' * 30_000, Format.JSONL)
def test_any_file_is_rows_or_reasons(content, kind):
    assert all(isinstance(row, Row) or is_clear(row.reason) for row in rows_of(content, kind))


def test_a_formula_is_text_and_reaches_the_field_as_it_is():
    [row] = rows_of(HEADER + ROW + b'"=HYPERLINK(""http://x"")"\n', Format.CSV)
    assert row.intent.after_field_value == '=HYPERLINK("http://x")'


# --- settings and lanes --------------------------------------------------------------------------------------------

texts = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    st.sampled_from(["NaN", "inf", "-1", "1e999", "[", "{", "9" * 400]),
)


@FUZZ
@given(st.dictionaries(st.sampled_from(sorted(Settings.model_fields)), texts, max_size=4))
def test_any_environment_gives_settings_or_a_sentence(variables):
    environ = {f"FEISHU_BATCH_{name.upper()}": value for name, value in variables.items()}
    environ["FEISHU_BATCH_REDIS_URL"] = f"redis://:{SECRET}@localhost/0"
    environ["FEISHU_BATCH_PLUGIN_SECRET"] = SECRET
    try:
        found = load_settings(environ)
    except ConfigError as error:
        assert str(error).startswith("The configuration cannot be used")
        assert SECRET not in str(error)
        assert str(error).encode()
    else:
        assert SECRET not in repr(found) + str(found)


toml_values = st.one_of(
    texts.map(json.dumps),
    st.integers().map(str),
    st.sampled_from(["true", "nan", "[]", "[1]", "{}", '{ env = "NO_SUCH" }', "["]),
)


@settings(parent=FUZZ, max_examples=120)
@given(
    st.dictionaries(
        st.sampled_from(["plugin_id", "plugin_secret", "user_key", "project_keys", "base_url", "x"]), toml_values
    )
)
def test_any_lanes_file_gives_lanes_or_a_sentence(tmp_path_factory, table):
    path = tmp_path_factory.getbasetemp() / "lanes.toml"
    body = {"plugin_id": '"p"', "plugin_secret": '{ env = "LANE_SECRET" }', "user_key": '"u"', **table}
    path.write_text("[lanes.one]\n" + "".join(f"{key} = {value}\n" for key, value in body.items()))
    with contextlib.suppress(ConfigError):
        lanes = load_lanes(Settings(lanes_file=path), {**os.environ, "LANE_SECRET": SECRET})
        assert SECRET not in repr(lanes)


def test_lanes_in_a_file_that_is_no_text_are_a_sentence(tmp_path):
    path = tmp_path / "lanes.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_lanes(Settings(lanes_file=path), {})
