"""Flower on a live run: tasks one can tell apart, with their ids, and no secret."""

import json
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from celery import chain
from selenium.webdriver.common.by import By

from feishu_batch import signature
from tests.support.model import PROJECT
from tests.support.servers import free_port
from tests.support.waiting import PATIENCE
from tests.web.browser import DESKTOP, look_like
from tests.web.serving import SECRET, without_ours

AUTH = ("flower", "a-password-of-flower-in-the-tests")
VALUE = "a value that Flower need not show"
STORY = {"project_key": PROJECT, "work_item_type_key": "story", "update_mode": "UPDATE", "field_key": "field_a1b2c3"}


@pytest.fixture(scope="module")
def flower(running, tmp_path_factory):
    env = {**without_ours(), "FLOWER_BASIC_AUTH": ":".join(AUTH), "PYTHONPATH": str(Path.cwd())}
    env |= {"FEISHU_BATCH_REDIS_URL": running.server.url, "FEISHU_BATCH_KEY_PREFIX": running.settings.key_prefix}
    port = free_port()
    command = [sys.executable, "-m", "celery", "-A", "worker.app", "flower", "--address=127.0.0.1", f"--port={port}"]
    cwd = tmp_path_factory.mktemp("flower")
    with (cwd / "flower.log").open("wb") as log:
        process = subprocess.Popen(command, env=env, cwd=cwd, stdout=log, stderr=log)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", auth=AUTH, timeout=10, trust_env=False) as client:
            until(lambda: is_up(client) and hears(client), (cwd / "flower.log").read_text)
            yield client
    finally:
        process.terminate()
        process.wait(PATIENCE)


def is_up(client):
    try:
        return client.get("/healthcheck").status_code == 200
    except httpx.TransportError:
        return False


def hears(client):
    """Whether events reach it: it answers HTTP before, and a task whose first event it missed has no name there."""
    return bool(client.get("/workers", params={"json": 1}).json()["data"])


def until(condition, told=lambda: ""):
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        assert time.monotonic() < deadline, told()
        time.sleep(0.1)
    return found


def tasks(flower):
    return flower.get("/api/tasks", params={"limit": 500}).json()


@pytest.fixture(scope="module")
def run(flower, running):
    """Ids of two intents that came as Celery tasks, one of which fails in part; the first as other languages send it."""
    app = running.celery_app()
    good, bad = (
        app.send_task("feishu_batch.update_work_items", kwargs=wish([1801, 1802, 1803]), queue="feishu.intents").id,
        signature(app=app, **wish([1042, 1804])).delay().id,
    )
    seen = until(lambda: ended(flower, good, bad), lambda: json.dumps(tasks(flower))[:4000])
    return good, bad, seen


def wish(items, **more):
    return {**STORY, "work_item_ids": items, "after_field_value": VALUE, **more}


def ended(flower, good, bad):
    seen = tasks(flower)
    states = [seen.get(good, {}).get("state"), seen.get(bad, {}).get("state")]
    told = "".join(task["result"] or "" for task in seen.values())  # steps report a moment after the intent has ended
    steps = all(word in told for word in ("'state': 'settled'", "'items': ", "'intents_published': "))
    return seen if states == ["SUCCESS", "FAILURE"] and steps else None


def test_an_intent_reads_as_one_and_names_its_id_and_no_value(run):
    good, bad, seen = run
    for intent_id, items in ((good, 3), (bad, 2)):
        task = seen[intent_id]
        assert task["name"] == "feishu_batch.update_work_items"
        assert f"'intent_id': '{intent_id}'" in task["kwargs"]
        assert f"'items': {items}" in task["kwargs"]
        assert "'field_key': 'field_a1b2c3', 'update_mode': 'UPDATE'" in task["kwargs"]
    assert "'state': 'succeeded'" in seen[good]["result"]
    assert "1042 (the remote job refused the item: NoPermissionToModify)" in seen[bad]["exception"]
    assert VALUE not in json.dumps([seen[good], seen[bad]])


def test_a_change_set_is_one_task_and_a_single_intent_of_the_library_another(flower, running):
    place = {"project_key": PROJECT, "work_item_type_key": "story"}
    rows = {item: {"field_a1b2c3": f"{VALUE} {item}"} for item in (1042, 1821, 1822)}  # 1042 may not be changed
    running.client.enqueue_table(rows, **place, change_set="flower-7", note="Sprint 7")
    one = running.client.enqueue(**wish([1823])).intent_id

    def shown():
        seen = tasks(flower)
        sets = [task for task in seen.values() if task["name"] == "feishu_batch.change_set"]
        has_ended = [task["state"] for task in sets] == ["FAILURE"]
        return (sets[0], seen[one]) if has_ended and seen.get(one, {}).get("state") == "SUCCESS" else None

    of_set, single = until(shown, lambda: json.dumps(tasks(flower))[:4000])
    assert of_set["uuid"].startswith("flower-7@")
    assert "'change_set': 'flower-7', 'note': 'Sprint 7'" in of_set["kwargs"]
    assert of_set["result"] == "{'state': 'partial', 'counts': {'succeeded': 2, 'failed': 1}}"
    assert "1 of 3 changes failed" in of_set["exception"]
    assert single["name"] == "feishu_batch.update_work_items"
    assert f"'intent_id': '{one}'" in single["kwargs"]
    assert VALUE not in json.dumps([of_set, single])
    assert [task for task in tasks(flower).values() if task["uuid"].startswith("table-")] == []


def test_an_intent_that_ended_without_a_request_is_revoked_there_too(flower, running):
    late = signature(app=running.celery_app(), **wish([1805], expires_at="2020-01-01T00:00:00Z")).delay().id
    until(lambda: tasks(flower).get(late, {}).get("state") == "REVOKED", lambda: json.dumps(tasks(flower).get(late)))


def test_an_intent_that_waits_has_started(flower, running):
    running.lane.pause("for the test", polling=True)
    try:
        waiting = signature(app=running.celery_app(), **wish([1809])).delay()
        until(lambda: waiting.state == "PROGRESS")
        told = until(lambda: tasks(flower).get(waiting.id))
        assert until(lambda: tasks(flower)[waiting.id]["state"] == "STARTED", lambda: json.dumps(told))
    finally:
        running.lane.resume()
    until(lambda: tasks(flower)[waiting.id]["state"] == "SUCCESS")


def test_the_second_link_of_a_chain_hangs_at_the_first(flower, running):
    app = running.celery_app()
    last = chain(signature(app=app, **wish([1806])), signature(app=app, **wish([1807]))).apply_async()
    told = until(lambda: (seen := tasks(flower).get(last.id, {})).get("state") == "SUCCESS" and seen)
    assert (told["parent_id"], told["root_id"]) == (last.parent.id, last.parent.id)


def test_steps_name_batch_and_job_and_say_what_happened(run):
    _, _, seen = run
    results = {}
    for task in seen.values():
        if task["name"]:  # Flower knows no name of a step that began before it listened
            results.setdefault(task["name"], []).append((task["kwargs"], task["result"] or ""))
    submitted = [result for _, result in results["feishu_batch.submit_batch"] if "'batch':" in result]
    assert any("'job': 'WORK_ITEM_BATCH_UPDATE-" in result and "'items': " in result for result in submitted)
    polls = results["feishu_batch.poll_job"]
    assert any("'state': 'settled'" in result and "'job':" in result for _, result in polls)
    assert all("'lane': 'default'" in kwargs for kwargs, _ in polls)
    assert any("'intents_published': " in result for _, result in results["feishu_batch.publish"])
    assert all(name.startswith("feishu_batch.") and name != "feishu_batch.finish" for name in results)
    assert not [name for name in results if name.endswith((".sweep", ".look_at_schedules"))]
    assert not [
        task["name"] for task in seen.values() if task["sent"]
    ]  # the sending of `finish` would rename its intent


def test_a_poll_names_the_job_that_caused_it(run, flower, running):
    """Where the sweep's hint was there first, it has none to name; so several intents are sent, one after the other."""
    for item in range(1810, 1820):
        signature(app=running.celery_app(), **wish([item])).delay().get(timeout=PATIENCE)
        told = [task["kwargs"] for task in tasks(flower).values() if task["name"] == "feishu_batch.poll_job"]
        if any("'batch':" in kwargs and "'job': 'WORK_ITEM_BATCH_UPDATE-" in kwargs for kwargs in told):
            return
    pytest.fail(f"no poll named its job: {told}")


def test_no_secret_is_anywhere(run, flower):
    texts = [
        json.dumps(run[2]),
        *(flower.get(path).text for path in ("/workers", "/tasks", "/broker", "/api/workers?refresh=1")),
    ]
    assert [text for text in texts if SECRET in text or "token" in text.lower().replace("token_type", "")] == []


def test_users_without_a_login_see_nothing(flower):
    with httpx.Client(base_url=flower.base_url, trust_env=False) as client:
        assert client.get("/api/tasks").status_code == 401
        assert client.get("/tasks").status_code == 401


def test_its_pages_show_names_and_results(run, flower, driver, save):
    good, _, _ = run
    at = urlsplit(str(flower.base_url)).netloc
    look_like(driver, DESKTOP)
    driver.get(f"http://{AUTH[0]}:{AUTH[1]}@{at}/tasks")
    until(lambda: "feishu_batch.submit_batch" in driver.find_element(By.TAG_NAME, "body").text)
    assert driver.save_screenshot(str(save("flower-tasks")))
    driver.get(f"http://{at}/task/{good}")
    until(lambda: "feishu_batch.update_work_items" in driver.find_element(By.TAG_NAME, "body").text)
    assert driver.save_screenshot(str(save("flower-intent")))
    driver.get("about:blank")
