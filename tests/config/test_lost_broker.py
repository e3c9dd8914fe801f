"""What is left of Celery's words about a broker that went away."""

import io
import json
import logging

import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

from config.logging import setup_logging
from config.settings import Settings


@pytest.fixture(autouse=True)
def _logging_is_put_back():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


def lost():
    with Redis(port=1, retry=Retry(NoBackoff(), 0)) as client:
        client.ping()


def stumbled():
    """As kombu does: over a connection that is closed, while it takes in that Redis is away."""
    try:
        lost()
    except RedisConnectionError:
        None.hostname  # noqa: B018 - the access is the point


def told(logger, doing, text="Unrecoverable error: %r", level="INFO"):
    stream = io.StringIO()
    setup_logging(Settings(log_format="json", log_level=level), stream)
    try:
        doing()
    except Exception as error:
        logging.getLogger(logger).critical(text, error, exc_info=True)
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.mark.parametrize("doing", [lost, stumbled])
def test_a_worker_that_lost_the_broker_says_so_in_one_line(doing):
    [line] = told("celery.worker", doing)
    assert line["event"].startswith("The connection to Redis was lost")
    assert "Error 111 connecting to localhost:1" in line["event"]
    assert line["level"] == "error"
    assert "exception" not in line
    assert told("celery.bootsteps", doing, "Error on stopping Hub: %r") == []


def test_a_task_keeps_its_line_and_one_of_our_own_errors_its_traceback():
    [line] = told("celery.app.trace", lost, "Task raised unexpected: %r")
    assert line["event"].startswith("Task raised unexpected: ")
    assert "ConnectionError" in line["event"]
    assert "exception" not in line
    assert "AttributeError" in told("celery.app.trace", stumbled)[0]["exception"]
    assert "ZeroDivisionError" in told("celery.worker", lambda: 1 / 0)[0]["exception"]
    assert "ConnectionError" in told("feishu_batch.submit", lost)[0]["exception"]


def test_at_debug_the_traceback_is_there():
    [line] = told("celery.worker", stumbled, level="DEBUG")
    assert "hostname" in line["exception"]
    assert line["level"] == "critical"


def test_celerys_warning_of_another_default_is_left_out():
    stream = io.StringIO()
    setup_logging(Settings(log_format="json"), stream)
    logging.getLogger("py.warnings").warning("%s", "consumer.py:427: \nIn Celery 5.1 we introduced an optional …")
    logging.getLogger("py.warnings").warning("%s", "something else")
    assert "something else" in stream.getvalue()
    assert "Celery 5.1" not in stream.getvalue()
