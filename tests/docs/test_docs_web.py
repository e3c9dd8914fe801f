"""The FastAPI and Flask apps of docs/producers.md, over HTTP, as uvicorn and werkzeug serve them."""

import os

import pytest

from tests.docs.pages import block_with
from tests.docs.served import serving
from tests.support.servers import free_port
from tests.support.waiting import wait_until

PRODUCERS = "docs/producers.md"
INTENT = {
    "project_key": "5f0c1a2b3c4d5e6f70818283",
    "work_item_type_key": "story",
    "work_item_ids": [1031, 1013],  # the second of which is closed
    "field_key": "field_a1b2c3",
    "update_mode": "UPDATE",
    "after_field_value": "from a web app",
}
SERVERS = {
    "FastAPI()": "-m uvicorn app:app --port PORT",
    "Flask(": "-m flask run --port PORT",
}


@pytest.fixture(scope="module", params=SERVERS, ids=["fastapi", "flask"])
def app(request, tmp_path_factory):
    """Directory, and how it is served there."""
    directory = tmp_path_factory.mktemp("app")
    (directory / "app.py").write_text(block_with(PRODUCERS, "python", request.param))
    return directory, SERVERS[request.param]


@pytest.fixture(scope="module")
def served(app, running):
    directory, command = app
    ours = {"FEISHU_BATCH_REDIS_URL": running.server.url, "FEISHU_BATCH_KEY_PREFIX": running.settings.key_prefix}
    with serving(command, directory, os.environ | ours) as site:
        yield site


@pytest.fixture
def site(served, stack):
    return served


def test_a_change_is_enqueued_and_followed_to_its_end(site, stack):
    status, told = site.post("/changes", INTENT)
    assert status == 202
    page = f"/changes/{told['intent_id']}"
    wait_until(lambda: site.get(page)[1]["result"], 20, "it has ended")
    status, ended = site.get(page)
    assert (status, ended["state"], ended["counts"]) == (200, "partial", {"succeeded": 1, "failed": 1})
    assert ended["result"]["failed"]["1013"]["code"] == "WorkItemTerminated"
    assert stack.sandbox.values()[1031]["field_a1b2c3"] == "from a web app"


@pytest.mark.parametrize("wrong", [{**INTENT, "colour": "red"}, {**INTENT, "work_item_ids": []}, {}, [INTENT], "text"])
def test_what_is_wrong_is_reported_and_nothing_is_enqueued(site, stack, wrong):
    assert site.post("/changes", wrong)[0] == 422
    assert stack.inbox.length() == 0


def test_the_reason_is_reported_line_by_line(site):
    _, told = site.post("/changes", {**INTENT, "colour": "red", "priority": 11})
    assert [line.partition(":")[0] for line in told["error"].splitlines()] == ["priority", "colour"]


def test_an_id_that_is_taken_is_a_conflict(site, request):
    mine = {**INTENT, "intent_id": f"conflict-{'flask' if 'flask' in request.node.name else 'fastapi'}"}
    assert site.post("/changes", mine) == (202, {"intent_id": mine["intent_id"]})
    assert site.post("/changes", mine) == (202, {"intent_id": mine["intent_id"]})
    assert site.post("/changes", {**mine, "after_field_value": "another"})[0] == 409


def test_an_unknown_change_is_not_found(site):
    assert site.get("/changes/nobody-knows")[0] == 404


def test_a_redis_that_is_away_is_reported_with_the_ids(app):
    directory, command = app
    away = {**os.environ, "FEISHU_BATCH_REDIS_URL": f"redis://127.0.0.1:{free_port()}/0"}
    with serving(command, directory, away) as site:
        status, told = site.post("/changes", {**INTENT, "intent_id": "mine"})
        assert (status, told["intent_ids"]) == (503, ["mine"])
        assert site.get("/changes/mine")[0] == 503
