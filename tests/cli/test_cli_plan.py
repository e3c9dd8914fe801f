"""`plan`: what it foretells is what the ledger does, and it writes nothing."""

import random
import time
from collections import Counter

import pytest

from feishu_batch import FeishuBatch, parse_intent
from tests.support.rows_factory import PROJECT, csv_text, row
from worker.ledger.reads.backlog import LaneBacklog
from worker.operating.planning import LanePlanner


def route(_lane, _project):
    return "default"


def intents(chance, count, most_items, once=False):
    """Wishes that meet at few cells; with `once`, no two at the same."""
    made, fresh = [], iter(range(1, 100_000))
    for _ in range(count):
        size = chance.randint(1, most_items)
        items = [next(fresh) for _ in range(size)] if once else chance.sample(range(1, most_items + 3), size)
        mode = chance.choice(["UPDATE", "UPDATE", "UPDATE", "APPEND", "REPLACE"])
        content = {
            "project_key": PROJECT,
            "work_item_type_key": "story",
            "work_item_ids": items,
            "field_key": chance.choice(["a", "b"]),
            "update_mode": mode,
            "before_field_value": "z" if mode == "REPLACE" else None,
            "after_field_value": chance.choice(["x", "y"]),
            "keep_every_change": chance.random() < 0.2,
            "priority": chance.choice([5, 5, 9]),
            "expires_at": "2020-01-01T00:00:00Z" if chance.random() < 0.1 and not once else None,
        }
        made.append(parse_intent(content))
    return made


def finish(ledger):
    """Everything to its end; returns how many requests that took."""
    requests = 0
    while ledger.lane.counts().ready_groups:
        ledger.settle(ledger.claim())
        requests += 1
    return requests


def what_became(redis, ledger, wishes):
    told = Counter()
    for wish in wishes:
        number, _ = ledger.inbox.locate(wish.intent_id)
        told.update(
            {
                name: int(n)
                for name, n in redis.hgetall(ledger.lane.keys.named(f"intent:{number}")).items()
                if name in {"ok", "sp", "ex"}
            }
        )
    return told


@pytest.fixture
def enqueue(redis_url, prefix, ledger):
    with FeishuBatch(redis_url, key_prefix=prefix) as client:

        def put(wishes):
            client.enqueue_many(wishes)
            ledger.take_in()

        yield put


@pytest.mark.parametrize("seed", range(12))
def test_requests_are_foretold_exactly_where_no_cell_is_wanted_twice(seed, ledger, enqueue):
    chance = random.Random(seed)
    wishes = intents(chance, chance.randint(1, 30), chance.choice([3, 40, 120]), once=True)
    planner = LanePlanner("default", time.time())
    planner.add(wishes)
    plan = planner.plan()
    enqueue(wishes)
    assert plan.fewest == plan.most == finish(ledger)
    assert plan.sent == plan.changes == sum(len(wish.work_item_ids) for wish in wishes)


@pytest.mark.parametrize("seed", range(25))
def test_outcomes_are_foretold_exactly_and_requests_within_bounds(seed, redis, ledger, enqueue):
    chance = random.Random(seed)
    wishes = intents(chance, chance.randint(1, 40), chance.choice([2, 5, 70]))
    planner = LanePlanner("default", time.time())
    planner.add(wishes[:20])
    planner.add(wishes[20:])
    plan = planner.plan()
    enqueue(wishes)
    assert plan.fewest <= finish(ledger) <= plan.most
    told = what_became(redis, ledger, wishes)
    assert told["sp"] == plan.superseded
    assert (told["ok"], told["ex"]) == (plan.sent + plan.shared, plan.expired)
    assert plan.changes == plan.sent + plan.superseded + plan.shared + plan.expired


@pytest.mark.parametrize("before", [0, 10, 25])
def test_a_change_that_many_request_is_sent_as_often_as_the_ledger_sends_it(before, redis, prefix, ledger, enqueue):
    """A change has a bounded number of sharers: what comes then waits behind it, and is shared in its turn."""
    wish = {"project_key": PROJECT, "work_item_type_key": "story", "work_item_ids": [1], "field_key": "a"}
    wish |= {"update_mode": "UPDATE", "after_field_value": "x"}
    enqueue([parse_intent(wish) for _ in range(before)])
    ours = [parse_intent(wish) for _ in range(40)]
    planner = LanePlanner("default", time.time(), LaneBacklog(redis, prefix, "default"))
    planner.add(ours)
    plan = planner.plan()
    enqueue(ours)
    told = waiting_lines(redis, ledger, {str(number) for number in numbers(ledger, ours)})
    assert sum(map(len, told)) == plan.sent > 1
    assert plan.sent + plan.shared == plan.changes == 40
    if not before:
        assert plan.fewest <= finish(ledger) <= plan.most


@pytest.mark.parametrize("seed", range(25))
def test_what_waits_already_is_met_by_the_same_rules(seed, redis, prefix, ledger, enqueue):
    chance = random.Random(seed)
    before = [wish for wish in intents(chance, 15, chance.choice([3, 60])) if wish.expires_at is None]
    enqueue(before)
    for _ in range(chance.randint(0, 3)):
        if ledger.lane.counts().ready_groups:
            ledger.accept(ledger.claim())
    wishes = [wish for wish in intents(chance, 15, chance.choice([3, 60])) if wish.expires_at is None]
    planner = LanePlanner("default", time.time(), LaneBacklog(redis, prefix, "default"))
    planner.add(wishes)
    plan = planner.plan()
    superseded_until_now = gave_way(redis, ledger, before)
    enqueue(wishes)
    assert gave_way(redis, ledger, wishes) == plan.superseded
    newly_superseded = gave_way(redis, ledger, before) - superseded_until_now
    # One change of the backlog may be wanted by several intents of it.
    assert plan.superseded_before <= newly_superseded
    assert (plan.superseded_before == 0) == (newly_superseded == 0)
    owned_or_behind = sum(len(line) for line in waiting_lines(redis, ledger, {str(w) for w in numbers(ledger, wishes)}))
    assert owned_or_behind == plan.sent


def gave_way(redis, ledger, wishes):
    """How many of their changes wait under a later one, those that are shared as often as they are wished."""
    ours, shared, found = set(map(str, numbers(ledger, wishes))), redis.hgetall(ledger.lane.keys.named("shared")), 0
    for key in redis.scan_iter(match=ledger.lane.keys.named("under:*"), count=1000):
        cell = key.rpartition("under:")[2].partition(":")[2]
        for number in redis.zrange(key, 0, -1):
            wanting = [number, *shared.get(f"{number}:{cell}", "").split(",")]
            found += sum(one in ours for one in wanting)
    return found


def numbers(ledger, wishes):
    return [ledger.inbox.locate(wish.intent_id)[0] for wish in wishes]


def waiting_lines(redis, ledger, ours):
    """Of each cell, the changes of ours that wait."""
    for cell, owner in redis.hgetall(ledger.lane.keys.named("cells")).items():
        line = [owner, *redis.lrange(ledger.lane.keys.named(f"behind:{cell}"), 0, -1)]
        yield [number for number in line if number in ours]


# --- the command ----------------------------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path):
    def write(*rows):
        path = tmp_path / "rows.csv"
        path.write_text(csv_text(*rows))
        return path

    return write


def test_a_plan_needs_no_redis(command, file):
    command.env = {}
    document = command.json("plan", file(row("1 2 3"), row("3 4", after="x")))
    [lane] = document["lanes"]
    assert (document["rows"], document["enqueued"], lane["intents"], lane["changes"]) == (2, 2, 2, 5)
    assert (lane["sent"], lane["superseded"], lane["groups"]) == (4, 1, 2)
    assert lane["requests"] == {"at_least": 2, "at_most": 2, "full": 0, "fill": 0.04}
    assert lane["seconds"] == {"at_least": 2.0, "at_most": 2.0}


def test_a_plan_says_what_is_wrong_and_ends_with_1(command, file):
    result = command("plan", file(row("1"), row("abc"), row("2", mode="DELETE")))
    assert result.exit_code == 1
    assert "3 of" in result.stdout
    assert "2 rejected" in result.stdout
    assert "'abc' is not a work item id" in result.stdout


def test_a_plan_reads_as_sentences(command, file):
    rows = [row("1-120"), row("1 2", after="x"), row("1", after="x"), row("7", mode="APPEND")]
    text = command("plan", file(*rows)).stdout
    assert "changes    124: 122 to send, 1 superseded" not in text
    assert "changes    124: 121 to send, 2 superseded by later rows, 1 shared with an identical change" in text
    assert "requests   5; 2 can be full" in text
    assert "up to 2 changes of one cell" in text


def test_a_file_that_is_none_is_2(command, tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("a,b\n")
    assert command("plan", path).exit_code == 2
    assert command("plan", tmp_path / "missing.csv").exit_code == 2


def test_the_same_row_twice_counts_once(command, file):
    header = (
        "project_key",
        "work_item_type_key",
        "work_item_ids",
        "field_key",
        "update_mode",
        "after_field_value",
        "intent_id",
    )
    path = file()
    path.write_text(csv_text([*row("1"), "one"], [*row("1"), "one"], [*row("2"), "one"], header=header))
    result = command("plan", path, "--json")
    assert result.exit_code == 1
    assert '"repeated": 1' in result.stdout
    assert "intent_id: one is already used for other content, in line 2" in result.stdout


def test_rows_of_an_unknown_lane_are_reported(command, file):
    header = (
        "project_key",
        "work_item_type_key",
        "work_item_ids",
        "field_key",
        "update_mode",
        "after_field_value",
        "lane",
    )
    path = file()
    path.write_text(csv_text([*row("1"), "nowhere"], header=header))
    result = command("plan", path)
    assert result.exit_code == 1
    assert "no lane is named 'nowhere'" in result.stdout


def test_a_plan_against_the_backlog_writes_nothing(command, file, ledger, redis, prefix):
    path = file(row("1 2"), row("3", after="x"))
    command("import", path)
    assert command.json("plan", path, "--against-backlog")["inbox"] == 2
    ledger.take_in()
    other = path.with_name("other.csv")
    other.write_text(csv_text(row("2"), row("3", after="y"), row("9", after="x")))
    before = {key: redis.dump(key) for key in redis.keys(f"{prefix}*")}
    document = command.json("plan", other, "--against-backlog")
    [lane] = document["lanes"]
    assert (lane["shared_before"], lane["superseded_before"], lane["sent"]) == (1, 1, 2)
    assert (lane["requests_before"], lane["requests"]["at_least"]) == (2, 1)
    assert {key: redis.dump(key) for key in redis.keys(f"{prefix}*")} == before
    assert command.json("plan", path, "--against-backlog")["known"] == 2


def test_only_a_plan_against_the_backlog_needs_redis(command, file):
    command.env["FEISHU_BATCH_REDIS_URL"] = "redis://127.0.0.1:1/0"
    assert command("plan", file(row("1"))).exit_code == 0
    assert command("plan", file(row("1")), "--against-backlog").exit_code == 3


def test_names_and_keys_are_said_to_be_counted_apart(command, tmp_path):
    def groups(*fields):
        path = tmp_path / "named.csv"
        path.write_text(csv_text(*[row("1", field=field) for field in fields]))
        text = command("plan", path).stdout
        return next(line for line in text.splitlines() if line.startswith("groups"))

    assert "--check gives the exact number" in groups("Priority", "priority")
    assert "--check" not in groups("priority", "owner")


def test_ranges_are_reported_with_what_they_mean(command, file):
    path = file(row("1001-1020, 7"), row("1030-1031"), row("9"))
    assert "ranges     2 rows, 22 items" in command("plan", path).stdout
    assert command.json("plan", path)["ranges"] == {"rows": 2, "items": 22}
