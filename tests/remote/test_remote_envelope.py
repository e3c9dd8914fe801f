import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.strategies import recursive
from worker.remote.envelope import Envelope, parse, to_int
from worker.remote.secrets import MASK, Secrets

JSON = recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.sampled_from(["err", "error", "code", "msg", "data", "x"]), inner)
    ),
    max_leaves=10,
)


def parsed(document):
    return parse(json.dumps(document).encode())


@settings(deadline=None)
@given(st.binary())
def test_any_bytes_become_an_envelope(body):
    assert isinstance(parse(body), Envelope)


@settings(deadline=None)
@given(
    st.dictionaries(st.sampled_from(["err", "err_code", "err_msg", "error", "code", "msg", "message", "data"]), JSON)
)
def test_any_object_becomes_an_envelope_with_printable_texts(document):
    envelope = parsed(document)
    (envelope.message + envelope.inner_message + envelope.log_id).encode()


@settings(deadline=None)
@given(JSON)
def test_integers_are_read_or_refused_but_never_raise(value):
    number = to_int(value)
    assert number is None or abs(number) < 2**63


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"<html>", b"[]", b"null", b'"ok"', b"{}", b'{"data": {"task_id": "x"}}', b"\xff\xfe", b"\x00"),
        *(b"[" * 100_000, b'{"a":' * 100_000, b'{"code": ' + b"9" * 5000 + b"}"),
        *(
            b'{"code": true}',
            b'{"code": 1e999}',
            b'{"code": NaN}',
            b'{"code": 1.5}',
            b'{"code": "zero"}',
            b'{"err_code": null}',
        ),
    ],
)
def test_a_body_without_a_code_is_unreadable(body):
    assert not parse(body).is_readable


@pytest.mark.parametrize(
    "document",
    [
        {"err": {}, "err_code": 20006, "err_msg": "bad"},
        {"err_code": "20006", "err_msg": "bad"},
        {"error": {"code": 20006, "msg": "bad"}},
        {"code": 20006, "msg": "bad"},
        {"code": 20006.0, "message": "bad"},
        {"err": {"code": 20006, "msg": "bad"}},
        {"err_code": 0, "error": {"code": "20006", "msg": "bad"}},
    ],
)
def test_every_known_shape_is_understood(document):
    envelope = parsed(document)
    assert (envelope.code, envelope.message) == (20006, "bad")


def test_inner_error_and_log_id_are_kept():
    envelope = parsed(
        {"err_code": 1, "err_msg": "outer", "err": {"code": 2, "msg": "inner", "log_id": "L"}, "data": [1]}
    )
    assert envelope == Envelope(1, "outer", 2, "inner", "L", [1])


def test_success_has_no_message_of_ours():
    assert parsed({"error": {"code": 0, "msg": ""}, "data": 7}) == Envelope(0, "", data=7)


def test_echoed_secrets_are_masked():
    envelope = parse(
        b'{"err_code": 1, "err_msg": "token p-abc is bad", "err": {"msg": "p-\\u0061bc"}}', secrets=Secrets("p-abc", "")
    )
    assert envelope.message == f"token {MASK} is bad"
    assert envelope.inner_message == MASK


def test_lone_surrogates_and_endless_texts_are_tamed():
    envelope = parse(b'{"code": 1, "msg": "' + b"\\ud800" * 5000 + b'"}')
    assert envelope.message.encode() == b"?" * 500
