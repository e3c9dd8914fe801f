"""What is sent to the browsers: shared, only what changed, and nothing at all when nobody looks."""

import json
import threading
import time
from pathlib import Path

import pytest

from feishu_batch.outcomes import OutcomeKind
from tests.support.model import PROJECT
from tests.support.waiting import PATIENCE
from tests.web.serving import page_of, serving
from worker.ledger.records import Outcome
from worker.operating.session import unchecked_session
from worker.web.snapshot import INTENTS, Snapshots

CANCELED = Outcome(OutcomeKind.CANCELED)
STORY = {"project_key": PROJECT, "work_item_type_key": "story", "update_mode": "UPDATE"}


def put(stack, items, field="field_a1b2c3", value="x", **more):
    return stack.client.enqueue(**STORY, work_item_ids=list(items), field_key=field, after_field_value=value, **more)


def messages(served, most):
    """The first so many messages of the feed."""
    found = []
    with served.client() as client, client.stream("GET", "/api/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        deadline = time.monotonic() + PATIENCE
        for line in answer.iter_lines():
            if line.startswith("data: "):
                found.append(json.loads(line.removeprefix("data: ")))
            if len(found) == most or time.monotonic() > deadline:
                break
    return found


def test_only_what_changed_is_sent_and_a_late_joiner_gets_all(page, stack):
    found = []
    first = threading.Thread(target=lambda: found.extend(messages(page, 4)))
    first.start()
    time.sleep(1.5)
    [joined] = messages(page, 1)
    first.join()
    everything = {"now", "about", "inbox", "lanes", "sets", "jobs", "recent", "intents", "failures", "trouble", "look"}
    assert set(found[0]) == set(joined) == everything
    assert {"now", "look"} <= set(found[-1]) <= {"now", "look", "lanes"}
    looks = [message["look"] for message in found]
    assert looks == list(range(looks[0], looks[0] + 4))  # one look a second, however many look on


def test_with_no_browser_it_asks_redis_for_nothing(page, stack):
    def asked():
        ours = addresses(page.process.pid)
        return sorted((one["addr"], one["tot-cmds"]) for one in stack.redis.client_list() if one["addr"] in ours)

    messages(page, 1)
    time.sleep(1.2)  # the last look may be under way
    before = asked()
    time.sleep(1.5)
    assert before
    assert asked() == before


def addresses(pid):
    """Local addresses of the process's connections."""
    inodes = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        target = str(link.readlink())
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {f"127.0.0.1:{int(row[1].split(':')[1], 16)}" for row in rows if row[9] in inodes}


@pytest.fixture
def snapshots(stack):
    return Snapshots(unchecked_session(stack.settings), read_only=False)


def seconds(act):
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def test_a_thousand_intents_are_a_bounded_list_and_whole_counts(stack, snapshots):
    stack.lane.pause("for the test", polling=True)
    handles = stack.client.enqueue_many(
        [
            {**STORY, "work_item_ids": [1001 + n], "field_key": "field_a1b2c3", "after_field_value": f"v{n}"}
            for n in range(1000)
        ]
    )
    deadline = time.monotonic() + PATIENCE
    while (seen := snapshots.look())["inbox"]["intents"] and time.monotonic() < deadline:
        time.sleep(0.1)
    assert seen["intents"]["not_ended"] == 1000
    assert len(seen["intents"]["rows"]) == INTENTS
    assert len(json.dumps(seen)) < 40_000
    [lane] = seen["lanes"]
    assert (lane["requests_left"], lane["left"], lane["pause"]["reason"]) == (1000, "requests", "for the test")
    assert min(seconds(snapshots.look) for _ in range(3)) < 1.0  # others may keep this machine busy
    for handle in handles:
        stack.lane.end_pending(handle.view().number, CANCELED)
    assert snapshots.look()["intents"]["not_ended"] == 0


def test_time_left_says_what_is_not_known(stack, snapshots):
    assert snapshots.look()["lanes"][0]["left"] == "nothing"
    stack.kill("intake")
    handle = put(stack, [1001])
    seen = snapshots.look()
    assert (seen["lanes"][0]["left"], seen["inbox"]["intents"]) == ("unknown", 1)
    stack.start("intake")
    handle.wait(PATIENCE)


def test_failures_are_grouped_and_read_once(stack, snapshots):
    put(stack, [1013, 1042, 1001], value="to be refused").wait(PATIENCE)
    snapshots.look()
    seen = snapshots.look()["failures"]
    assert seen["total"] >= 2
    assert not seen["is_counting"]
    assert {item["item"] for group in seen["groups"] for item in group["items"]} >= {"1013", "1042"}
    text = json.dumps(snapshots.look())
    assert "to be refused" not in text  # no field values


def test_what_can_never_be_retried_has_no_button(stack, snapshots):
    put(stack, [1013], value="may be retried").wait(PATIENCE)
    put(stack, [1001], lane="nowhere").wait(PATIENCE)
    snapshots.look()
    groups = {one["code"]: one["can_be_retried"] for one in snapshots.look()["failures"]["groups"]}
    assert groups.pop("no_lane") is False
    assert set(groups.values()) == {True}


def test_failures_of_an_intent_that_continues_are_reported(stack, snapshots):
    before = snapshots.look()["failures"]["total"]
    handle = put(stack, [1013, *range(1100, 2500)], value="its first request ends long before its last")
    deadline = time.monotonic() + PATIENCE
    while snapshots.look()["failures"]["total"] <= before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not handle.view().state.is_final
    assert snapshots.look()["failures"]["total"] > before
    handle.wait(PATIENCE)


def test_lanes_of_a_file_are_all_there(stack, tmp_path):
    rows = "".join(f'[lanes.{name}]\nplugin_id="x"\nplugin_secret={{env="NONE"}}\n' for name in ("default", "second"))
    file = tmp_path / "lanes.toml"
    file.write_text(rows)
    settings = stack.settings.model_copy(update={"lanes_file": file})
    seen = Snapshots(unchecked_session(settings), read_only=False).look()
    assert [lane["name"] for lane in seen["lanes"]] == ["default", "second"]
    assert seen["about"]["several_lanes"]


def test_an_absent_redis_is_reported_and_got_over(own_redis_url, tmp_path):
    from redis import Redis

    settings = {"redis_timeout_seconds": "0.3", "redis_connect_timeout_seconds": "0.3"}
    with serving(own_redis_url, "web", tmp_path, **settings) as served, Redis.from_url(own_redis_url) as redis:
        [before] = messages(served, 1)
        redis.client_pause(2500)
        during = messages(served, 3)  # the first may be from before
        assert served.client().get("/healthz").status_code == 503
        deadline = time.monotonic() + PATIENCE
        while (after := messages(served, 1)[0])["trouble"] and time.monotonic() < deadline:
            time.sleep(0.2)
    assert before["trouble"] is None
    assert any((message.get("trouble") or {}).get("key") == "trouble.redis_silent" for message in during)
    assert after["trouble"] is None


def test_a_redis_that_hangs_is_reported_while_it_is_waited_for(own_redis_url, tmp_path):
    from redis import Redis

    with serving(own_redis_url, "web", tmp_path, redis_timeout_seconds="30") as served:
        with Redis.from_url(own_redis_url) as redis:
            redis.client_pause(5000)
            [told] = messages(served, 1)
        after = [message["trouble"] for message in messages(served, 4) if "trouble" in message]
    assert told["trouble"] == {"key": "trouble.redis_slow"}
    assert after[-1] is None


def test_health_follows_progress(page, stack):
    with page.client() as client:
        deadline = time.monotonic() + PATIENCE
        while (answer := client.get("/healthz")).status_code != 200 and time.monotonic() < deadline:
            time.sleep(0.2)
        assert answer.json() == {"healthy": True, "why": []}
        stack.lane.pause("lunch", polling=True)
        assert client.get("/healthz").status_code == 200
        stack.redis.delete(stack.lane.keys.named("swept-at"))
        stack.kill("beat")
        stack.redis.delete(stack.lane.keys.named("swept-at"))
        told = client.get("/healthz")
        assert told.status_code == 503
        assert "was not swept" in told.json()["why"][0]
        stack.start("beat")


def test_metrics_are_there_as_well(page):
    with page.client() as client:
        answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert "feishu_batch_" in answer.text


def test_it_stays_small(stack, tmp_path):
    with page_of(stack, tmp_path, is_forked=False) as page:
        messages(page, 1)
        status = Path(f"/proc/{page.process.pid}/status").read_text().splitlines()
    [line] = [row for row in status if "VmRSS" in row]
    assert int(line.split()[1]) < 90_000
