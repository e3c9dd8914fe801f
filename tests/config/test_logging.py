"""Lines are data, ids stick to them, and no secret gets out."""

import io
import json
import logging
import re

import pytest
from celery.worker.consumer.consumer import INVALID_TASK_ERROR, MESSAGE_DECODE_ERROR, UNKNOWN_FORMAT, UNKNOWN_TASK_ERROR
from structlog.contextvars import bind_contextvars, clear_contextvars

from config.logging import get_logger, redacted, redacted_text, setup_logging
from config.settings import Settings


class Terminal(io.StringIO):
    def isatty(self):
        return True


def lines(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def to_json(**settings):
    stream = io.StringIO()
    setup_logging(Settings(log_format="json", **settings), stream)
    return stream


def test_a_line_is_json_with_its_ids():
    stream = to_json()
    bind_contextvars(batch_id=7)
    get_logger("worker.pipeline.submit").info("batch accepted", size=50)
    clear_contextvars()
    get_logger("worker.pipeline.submit").info("idle")
    first, second = lines(stream)
    assert first["event"] == "batch accepted"
    assert (first["batch_id"], first["size"], first["level"], first["logger"]) == (
        7,
        50,
        "info",
        "worker.pipeline.submit",
    )
    assert "job_id" not in first
    assert "batch_id" not in second


def test_the_standard_library_comes_out_in_the_same_form():
    stream = to_json()
    bind_contextvars(lane="default")
    logging.getLogger("somewhere").warning("cannot reach %s", "redis://:s3cr3t@host:1/0")
    assert lines(stream)[0]["event"] == "cannot reach redis://:***@host:1/0"
    assert lines(stream)[0]["lane"] == "default"


def test_celery_is_quiet_below_warning():
    stream = to_json(log_level="DEBUG")
    for name in ("celery.worker", "kombu.connection", "httpx"):
        logging.getLogger(name).info("chatter")
        logging.getLogger(name).warning("trouble")
    assert [line["event"] for line in lines(stream)] == ["trouble"] * 3


def test_the_level_holds_for_both_kinds():
    stream = to_json(log_level="ERROR")
    get_logger("a").warning("no")
    logging.getLogger("b").warning("no")
    logging.getLogger("celery").warning("no")
    assert stream.getvalue() == ""


def test_setting_up_twice_writes_each_line_once():
    to_json()
    stream = to_json()
    get_logger("a").info("once")
    assert len(lines(stream)) == 1


def test_auto_is_console_on_a_terminal_and_json_elsewhere():
    terminal, pipe = Terminal(), io.StringIO()
    for stream in (terminal, pipe):
        setup_logging(Settings(), stream)
        get_logger("a").info("hello", item=1)
    assert "hello" in terminal.getvalue()
    assert not terminal.getvalue().startswith("{")
    assert lines(pipe)[0]["item"] == 1


def test_a_traceback_is_masked():
    stream = to_json()
    try:
        int("redis://:s3cr3t@host refused X-PLUGIN-TOKEN: p-s3cr3t")
    except ValueError:
        get_logger("a").exception("failed")
    assert "s3cr3t" not in stream.getvalue()
    assert "Traceback" in lines(stream)[0]["exception"]


@pytest.mark.parametrize(
    "name",
    [
        "token",
        "X-PLUGIN-TOKEN",
        "plugin_token",
        "plugin_secret",
        "password",
        "Authorization",
        "authorization",
        "api_key",
        "credentials",
    ],
)
def test_values_are_masked_by_the_name_of_their_key(name):
    assert redacted({name: "s3cr3t", "nested": [{name: {"a": "s3cr3t"}}]}) == {name: "***", "nested": [{name: "***"}]}


def test_what_only_looks_like_a_secret_stays():
    kept = {
        "user_key": "7012",
        "field_key": "priority",
        "token_renewals": 3,
        "has_token": True,
        "tokenizer": "x",
        "secret": None,
    }
    assert redacted(kept) == kept


@pytest.mark.parametrize(
    "text",
    [
        "redis://user:s3cr3t@host/0",
        "connect rediss://:s3cr3t@h:1 and unix://:s3cr3t@/run/x",
        "{'X-PLUGIN-TOKEN': 's3cr3t', 'a': 1}",
        '{"plugin_secret": "s3cr3t"}',
        "Authorization: Bearer s3cr3t",
        "password=s3cr3t",
    ],
)
def test_secrets_in_texts_are_masked(text):
    assert "s3cr3t" not in redacted_text(text)
    assert "***" in redacted_text(text)


def test_masking_bounds_its_depth():
    loop = {}
    loop["self"] = loop
    assert "…" in str(redacted(loop))


def test_settings_may_be_logged():
    stream = to_json()
    get_logger("a").info("started", settings=Settings(plugin_secret="s3cr3t", redis_url="redis://:s3cr3t@h"))
    assert "s3cr3t" not in stream.getvalue()


def test_what_every_line_has_comes_first_and_a_traceback_last():
    stream = to_json()
    bind_contextvars(lane="default")
    try:
        int("x")
    except ValueError:
        get_logger("a").exception("batch.crashed", size=50, batch=7)
    line = stream.getvalue()
    assert list(json.loads(line)) == ["timestamp", "level", "event", "lane", "batch", "size", "logger", "exception"]


def test_values_of_fields_are_there_only_if_they_are_asked_for():
    told = {
        "after_field_value": "x-value",
        "error": "no option …",
        "error_with_values": "no option x-value",
        "batch": 7,
    }
    stream = to_json()
    get_logger("a").warning("batch.not_accepted", **told)
    assert "x-value" not in stream.getvalue()
    assert lines(stream)[0]["error"] == "no option …"
    asked = to_json(log_values=True)
    get_logger("a").warning("batch.not_accepted", **told)
    assert told.items() <= lines(asked)[0].items()


@pytest.mark.parametrize(
    "text", [UNKNOWN_FORMAT, UNKNOWN_TASK_ERROR, INVALID_TASK_ERROR, MESSAGE_DECODE_ERROR], ids=lambda text: text[:30]
)
def test_a_message_that_celery_throws_away_is_not_logged_whole(text):
    parts = ["x"] * (text.count("%s") + text.count("%r"))
    before = re.split("message body was:|\\nbody:", text)[0]
    parts[before.count("%s") + before.count("%r")] = "a value that nobody may read"
    stream = to_json()
    logging.getLogger("celery.worker.consumer").error(text, *parts)
    assert "nobody may read" not in stream.getvalue()
    assert lines(stream)[0]["event"].endswith("…")
    asked = to_json(log_values=True)
    logging.getLogger("celery.worker.consumer").error(text, *parts)
    assert "nobody may read" in asked.getvalue()
