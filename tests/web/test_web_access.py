"""Who may see the page and who may act: over real HTTP, against the real process."""

import json
import socket
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.support.model import PROJECT
from tests.support.waiting import PATIENCE
from tests.support.zygote import run_command
from tests.web.serving import page_of, without_ours
from worker.web.app import STATIC
from worker.web.gate import SESSION_SECONDS, Gate, is_known_host, is_same_origin

TOKEN = "a-token-for-the-tests-of-the-page"


@pytest.fixture(scope="module")
def closed_page(running, tmp_path_factory):
    settings = {"dashboard_token": TOKEN, "dashboard_names": "status.example.com", "dashboard_read_only": "false"}
    with page_of(running, tmp_path_factory.mktemp("closed"), **settings) as served:
        yield served


# --- where it listens -----------------------------------------------------------------------------------------------


def start(tmp_path, *args, **settings):
    env = {**without_ours(), **{f"FEISHU_BATCH_{name.upper()}": value for name, value in settings.items()}}
    return run_command("dashboard", *args, env=env, cwd=tmp_path, timeout=PATIENCE)


def test_others_than_this_machine_are_not_served_without_a_token(tmp_path, redis_url):
    done = start(tmp_path, dashboard_host="0.0.0.0", redis_url=redis_url)
    assert (done.returncode, done.stdout) == (2, "")
    assert "set FEISHU_BATCH_DASHBOARD_TOKEN" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_short_token_is_refused_and_not_shown(tmp_path, redis_url):
    done = start(tmp_path, dashboard_token="swordfish", redis_url=redis_url)
    assert done.returncode == 2
    assert "16 characters" in done.stderr
    assert "swordfish" not in done.stderr


def test_a_chosen_port_that_is_taken_is_3_and_a_default_one_is_not(tmp_path, redis_url):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = start(tmp_path, "--port", str(taken.getsockname()[1]), redis_url=redis_url)
    assert done.returncode == 3
    assert "set --port to another one" in done.stderr


def test_without_redis_it_is_3(tmp_path):
    done = start(tmp_path, "--port", "0", redis_url="redis://:s3cr3t@127.0.0.1:1/0")
    assert done.returncode == 3
    assert "s3cr3t" not in done.stderr


def test_it_listens_on_this_machine_only(page):
    hosts = [socket.gethostname(), "127.0.0.2"]
    reached = []
    for host in hosts:
        try:
            with socket.create_connection((host, page.port), timeout=1) as connection:
                reached.append(connection.getpeername()[0])
        except OSError:
            continue
    assert [address for address in reached if address != "127.0.0.1"] == []


# --- a foreign page in the same browser -----------------------------------------------------------------------------


def test_a_name_that_was_made_to_lead_here_is_refused(page, closed_page):
    with page.client() as client:
        for host in ("evil.example", "127.0.0.1.evil.example:8650", "localhost.evil.example", ""):
            assert client.get("/api/session", headers={"Host": host}).status_code == 421
        for host in ("localhost:1", "[::1]:8650", "192.168.1.5"):
            assert client.get("/api/session", headers={"Host": host}).status_code == 200
    with closed_page.client() as client:
        assert client.get("/", headers={"Host": "Status.example.com"}).status_code == 200


@pytest.mark.parametrize(
    "path", ["/api/pause", "/api/resume", "/api/cancel", "/api/retry", "/api/undo", "/login", "/logout"]
)
def test_an_order_from_another_page_changes_nothing(page, stack, path):
    content = {"lane": "default"} if path in {"/api/pause", "/api/resume"} else {}
    for strange in (
        {"Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ):
        assert page.post(path, content, **strange).status_code == 403
    assert stack.lane.paused() is None


def test_an_order_without_the_pages_own_word_changes_nothing(page, stack):
    with page.client() as client:
        csrf = client.get("/api/session").json()["csrf"]
        assert client.post("/api/pause", json={"lane": "default"}).status_code == 403
        wrong = client.post("/api/pause", json={"lane": "default"}, headers={"X-CSRF-Token": csrf[::-1]})
        assert wrong.status_code == 403
        form = client.post(
            "/api/pause", content=b'{"lane":"default"}', headers={"X-CSRF-Token": csrf, "Content-Type": "text/plain"}
        )
        assert form.status_code == 415
        assert client.get("/api/pause").status_code == 405
    assert stack.lane.paused() is None


def test_orders_that_make_no_sense_are_answered_with_a_sentence(page):
    assert page.post("/api/pause", {"lane": "nowhere"}).json()["error"].startswith("no lane is named 'nowhere'")
    assert page.post("/api/cancel", {"intent": "no-such-intent"}).status_code == 400
    assert page.post("/api/retry", {}).json()["error"] == "Give an intent, a change set, or a reason."
    assert page.post("/api/undo", {"change_set": "nothing-of-that-name"}).status_code == 400
    both = {"intent": "one", "change_set": "two"}
    for order in ("cancel", "retry"):
        assert page.post(f"/api/{order}", both).json()["error"] == "Give an intent or a change set, not both."
    for content in (
        {},
        {"lane": "default", "more": 1},
        {"lane": "x" * 65},
        {"lane": "default", "reason": "x" * 20_000},
    ):
        assert page.post("/api/pause", content).status_code == 400
    with page.client() as client:
        assert client.get("/api/intents/no-such-intent").status_code == 404
        assert client.get("/api/history", params={"item": "1-9000 " * 500}).status_code == 400
        assert client.get("/api/sets", params={"id": "nothing-of-that-name"}).status_code == 404
        assert client.get("/api/find", params={"since": "yesterday"}).status_code == 400
        for report in ({"id": "nothing-of-that-name", "kind": "csv"}, {"id": "x", "kind": "../csv"}, {}):
            assert client.get("/api/report", params=report).status_code == 400
        assert client.get("/static/../app.py").status_code == 404
        assert client.get("/static/%2e%2e/app.py").status_code == 404


def test_a_retry_that_two_confirm_at_once_is_enqueued_once_and_both_are_reported(page, stack):
    story = {"project_key": PROJECT, "work_item_type_key": "story", "update_mode": "UPDATE"}
    handle = stack.client.enqueue(
        **story, work_item_ids=[1013], field_key="field_a1b2c3", after_field_value="to be refused"
    )
    handle.wait(PATIENCE)
    plan = page.post("/api/retry", {"intent": handle.intent_id}).json()
    order = {"intent": handle.intent_id, "confirmed": plan["digest"]}
    with ThreadPoolExecutor(4) as pool:
        told = [answer.json() for answer in pool.map(lambda _: page.post("/api/retry", order), range(4))]
    done = [one for one in told if "done" in one]
    retried = {"done": "done.retried", "items": 1, "intents": 1}
    assert done.count(retried) == 1
    assert all(one in (retried, {"done": "done.nothing_retried", "skipped": ["retried"]}) for one in done)
    assert all(one["changed"] for one in told if "done" not in one)


def test_strict_headers_stand_on_every_answer(page):
    with page.client() as client:
        for path in ("/", "/static/page.js", "/static/words.js", "/static/page.css", "/api/session", "/nowhere"):
            headers = client.get(path).headers
            assert headers["content-security-policy"].startswith(
                "default-src 'none'; script-src 'self'; style-src 'self';"
            )
            assert "unsafe" not in headers["content-security-policy"]
            assert headers["x-frame-options"] == "DENY"
            assert headers["x-content-type-options"] == "nosniff"
            assert "server" not in headers
        assert client.get("/api/session").headers["cache-control"] == "no-store"
        assert client.get("/").headers["vary"] == "Accept-Language, Cookie"
        page = client.get("/").text
        assert "<style" not in page
        assert " style=" not in page
        assert "://" not in page
        scripts = [client.get(f"/static/{path.name}").text for path in STATIC.glob("*.js")]
        assert len(scripts) > 1
        assert "innerHTML" not in "".join(scripts)


# --- with a token ---------------------------------------------------------------------------------------------------


def test_without_the_token_there_is_nothing_to_see(closed_page):
    with closed_page.client() as client:
        for path in ("/api/session", "/api/events", "/api/intents/x", "/api/sets?id=x", "/api/find?text=x", "/metrics"):
            assert client.get(path).status_code == 401
        for path in ("/api/history?item=1", "/api/report?id=x&kind=csv", "/docs"):
            assert client.get(path).status_code == 401
        assert client.post("/api/pause", json={"lane": "default"}).status_code == 401
        assert client.get("/").status_code == 200  # the form, and no data
        assert set(client.get("/healthz").json()) == {"healthy"}


def test_the_token_opens_a_session_that_scripts_cannot_read(closed_page, stack):
    with closed_page.client() as client:
        wrong = client.post("/login", json={"token": TOKEN + "x"})
        assert (wrong.status_code, wrong.cookies) == (401, httpx.Cookies())
        cookie = client.post("/login", json={"token": TOKEN}).headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert TOKEN not in cookie
        csrf = client.get("/api/session").json()["csrf"]
        assert client.post("/api/resume", json={"lane": "default"}).status_code == 403  # the cookie alone does nothing
        assert client.post("/api/resume", json={"lane": "default"}, headers={"X-CSRF-Token": csrf}).status_code == 200
        client.post("/logout", json={}, headers={"X-CSRF-Token": csrf})
        assert client.get("/api/session").status_code == 401


def test_a_program_sends_the_token_along(closed_page):
    with closed_page.client(headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        assert client.get("/api/session").status_code == 200
        assert client.post("/api/resume", json={"lane": "default"}).status_code == 200
        assert client.get("/healthz").json()["healthy"] in (True, False)
    with closed_page.client(headers={"Authorization": "Bearer wrong"}) as client:
        assert client.get("/api/session").status_code == 401


def test_a_page_that_only_shows_refuses_every_order(stack, tmp_path):
    with page_of(stack, tmp_path, dashboard_read_only="true") as served:
        for path in ("/api/pause", "/api/resume"):
            answer = served.post(path, {"lane": "default"})
            assert answer.status_code == 403
            assert "READ_ONLY" in answer.json()["error"]
        assert served.end() == 0
    assert stack.lane.paused() is None


# --- the decisions themselves ---------------------------------------------------------------------------------------


def test_a_session_ends_with_its_time_and_with_another_token():
    now = [1000.0]
    gate = Gate(TOKEN, lambda: now[0])
    cookie = gate.new_session()
    assert gate.is_session(cookie)
    assert Gate(TOKEN, lambda: 1000.0).is_session(cookie)  # over a restart
    assert not Gate(TOKEN + "2", lambda: 1000.0).is_session(cookie)
    for forged in ("", ".", "..", cookie[:-1], "9" + cookie, cookie + "0", "é.é.é", f"{10**12}.x.{cookie[-40:]}"):
        assert not gate.is_session(forged)
    now[0] += SESSION_SECONDS + 1
    assert not gate.is_session(cookie)
    assert gate.csrf(cookie) != gate.csrf(gate.new_session())


@pytest.mark.parametrize("host", ["[", "[]", ":", "a b", "127.0.0.1x", "localhost.", "%31"])
def test_strange_hosts_are_not_known(host):
    assert not is_known_host(host, ("status.example.com",))


def test_an_origin_is_the_same_by_host_and_port():
    assert is_same_origin("a:1", "http://a:1", "same-origin")
    assert is_same_origin("a:1", None, None)
    assert not is_same_origin("a:1", "http://a:2", None)
    assert not is_same_origin("a:1", "null", None)
    assert not is_same_origin("a:1", "http://a:1", "none")


def test_logs_and_answers_hold_no_token(closed_page):
    with closed_page.client(headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        told = client.get("/api/session").text + json.dumps(dict(client.get("/").headers))
    assert TOKEN not in told
