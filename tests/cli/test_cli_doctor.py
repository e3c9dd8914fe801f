"""`doctor`: each trouble is named, with what to do about it."""

import json
from dataclasses import replace

import pytest

from sandbox.process import SandboxProcess
from worker.ledger.last_errors import LastError
from worker.ledger.reads.lane_health import LaneHealth, read_lane_health
from worker.ledger.single_route import SingleState
from worker.ledger.stall import SendState, stalled_after
from worker.operating.health import (
    Mark,
    check_beat,
    check_clock,
    check_disk,
    check_inbox,
    check_lane,
    check_settings,
    check_workers,
)
from worker.operating.views import InboxView, lane_view

PROJECT = "5f0c1a2b3c4d5e6f70818283"
NOW = 1_000_000.0
ROLES = {"feishu.submit": "submit", "feishu.poll": "poll", "feishu.intents": "intake"}
MOVES = SendState(
    now=NOW,
    is_paused=False,
    resumed_at=None,
    ready_since=NOW - 100,
    due_at=None,
    unfinished=0,
    room_since=None,
    asked_at=NOW - 1,
    lease_until=None,
    opens_at=None,
)
WELL = LaneHealth(MOVES, 0, None, None, None, None, 1.0, 0, 0, has_work=True, pause=None)


def moving(**seen):
    return replace(WELL, send_state=replace(MOVES, **seen))


@pytest.fixture(scope="module")
def sandbox():
    with SandboxProcess() as running:
        yield running


@pytest.fixture
def doctor(command, sandbox, monkeypatch, tmp_path):
    monkeypatch.setattr("worker.cli.doctor.PING_SECONDS", 0.1)
    command.env |= {
        "FEISHU_BATCH_BASE_URL": sandbox.base_url,
        "FEISHU_BATCH_PLUGIN_ID": "p",
        "FEISHU_BATCH_PLUGIN_SECRET": "very secret",
        "FEISHU_BATCH_USER_KEY": "7300000000000000001",
        "FEISHU_BATCH_DATA_DIR": str(tmp_path),
    }

    def run(*args, code=1):
        result = command("doctor", *args, "--json")
        assert result.exit_code == code, result.output
        assert "very secret" not in result.output
        told = {}
        for check in json.loads(result.stdout)["checks"]:
            told.setdefault(check["name"], []).append(check)
        return told

    run.env = command.env
    return run


def marks(checks):
    return [check["mark"] for check in checks]


def test_credentials_space_and_type_are_tried(doctor):
    told = doctor("--project-key", PROJECT, "--type", "story")
    assert [marks(told[name]) for name in ("settings", "credentials", "space", "type", "clock")] == [["ok"]] * 5
    assert "can be changed" in told["type"][0]["what"]
    told = doctor("--project-key", "0" * 24, "--type", "story")
    assert (marks(told["space"]), "type" in told) == (["fail"], False)


def test_the_acting_user_is_tried(doctor):
    [told] = doctor()["user"]
    assert (told["mark"], "acts as 7300000000000000001" in told["what"]) == ("ok", True)
    doctor.env["FEISHU_BATCH_USER_KEY"] = "abc"
    [told] = doctor()["user"]
    assert told["mark"] == "fail"
    assert "User Not Exist: abc" in told["what"]
    assert "set FEISHU_BATCH_USER_KEY" in told["advice"]


def test_a_plugin_that_may_not_ask_for_people_is_no_finding(doctor, sandbox):
    sandbox.set_faults("user_query:refuse=1.0,code=10301")
    try:
        assert "user" not in doctor()
    finally:
        sandbox.clear_faults()


def test_a_space_may_be_called_by_its_simple_name(doctor):
    told = doctor("--space", "demo", "--type", "story")
    assert (marks(told["space"]), marks(told["type"])) == (["ok"], ["ok"])
    assert PROJECT in told["space"][0]["what"]
    [missing] = doctor("--space", "nobodys", "--type", "story")["space"]
    assert (missing["mark"], "simple name" in missing["advice"]) == ("fail", True)


@pytest.mark.parametrize(("type_key", "advice"), [("stroy", "Did you mean story?"), ("zzz", "story, issue")])
def test_a_type_that_is_not_there_is_reported_with_those_that_are(doctor, type_key, advice):
    [told] = doctor("--space", PROJECT, "--type", type_key)["type"]
    assert (told["mark"], advice in told["advice"]) == ("fail", True)


def test_the_lane_of_a_space_is_the_one_that_is_asked(doctor, tmp_path):
    lanes = tmp_path / "lanes.toml"
    lanes.write_text(
        f'[lanes.a]\nplugin_id = "p"\nplugin_secret = {{ env = "FEISHU_BATCH_PLUGIN_SECRET" }}\n'
        f'[lanes.b]\nplugin_id = "q"\nplugin_secret = {{ env = "FEISHU_BATCH_PLUGIN_SECRET" }}\nproject_keys = ["{PROJECT}"]\n'
    )
    doctor.env["FEISHU_BATCH_LANES_FILE"] = str(lanes)
    for space in (PROJECT, "demo"):
        told = doctor("--space", space, "--type", "story")
        assert (marks(told["credentials"]), marks(told["space"]), marks(told["type"])) == (["ok"] * 2, ["ok"], ["ok"])


def test_missing_workers_and_a_missing_beat_are_reported(doctor, ledger):
    told = doctor()
    assert marks(told["workers"]) == ["fail"] * 3
    assert "feishu-batch up" in told["beat"][0]["advice"]
    ledger.lane.sweep(60, 60)
    assert marks(doctor()["beat"]) == ["ok"]


def test_a_remote_system_that_cannot_be_reached_is_a_finding(doctor):
    doctor.env["FEISHU_BATCH_BASE_URL"] = "http://127.0.0.1:1"
    [told] = doctor()["credentials"]
    assert (told["mark"], "FEISHU_BATCH_BASE_URL" in told["advice"]) == ("fail", True)


def test_without_credentials_the_rest_is_looked_at(doctor):
    del doctor.env["FEISHU_BATCH_PLUGIN_SECRET"]
    told = doctor()
    assert marks(told["credentials"]) == ["warn"]
    assert marks(told["lane"]) == ["ok"]


def test_a_misspelt_setting_is_reported(doctor):
    doctor.env["FEISHU_BATCH_SLOT_SECOND"] = "2"
    assert "FEISHU_BATCH_SLOT_SECONDS" in doctor()["settings"][0]["advice"]


def test_a_redis_without_persistence_is_reported(doctor):
    assert any("append-only" in check["what"] for check in doctor()["redis"])


def test_a_pause_is_reported_with_its_reason(doctor, command, ledger):
    ledger.lane.last_errors.note("submit", "the quota is used up")
    command("pause", "--reason", "the quota is used up")
    [told] = doctor()["lane"]  # and not that it is tried again
    assert (told["mark"], "the quota is used up" in told["what"]) == ("warn", True)


def test_without_redis_it_is_3(doctor):
    doctor.env["FEISHU_BATCH_REDIS_URL"] = "redis://127.0.0.1:1/0"
    assert marks(doctor(code=3)["redis"]) == ["fail"]


def test_it_reads_as_one_line_for_each(doctor, command):
    result = command("doctor")
    assert result.exit_code == 1
    assert "ok    credentials lane default got a token" in result.stdout
    assert {line.split()[0] for line in result.stdout.splitlines()} == {"ok", "warn", "fail"}


@pytest.mark.parametrize("args", [["--type", "story"], ["--lane", "nowhere"]])
def test_wrong_use_is_2(command, args):
    assert command("doctor", *args).exit_code == 2


# --- the checks alone -----------------------------------------------------------------------------------------------


def only(checks):
    return [check.mark for check in checks]


def test_checks_of_what_is_successful():
    assert only(check_settings({})) == ["ok"]
    assert only(check_workers(ROLES, set(ROLES))) == ["ok"]
    assert only(check_beat({"a": WELL}, 2)) == ["ok"]
    assert check_clock(1, 2).mark is Mark.OK
    assert check_inbox(InboxView(3, 1.0)).mark is Mark.OK
    assert check_disk(2**40, 2**41, "/", holds_ledger=True).mark is Mark.OK


def test_checks_of_what_is_not():
    assert check_clock(1, 200).mark is Mark.WARN
    assert check_inbox(InboxView(3, 60.0)).mark is Mark.FAIL
    assert only(check_beat({"a": replace(WELL, swept=500.0)}, 2)) == ["fail"]
    full = [check_disk(free, 2**40, "/", holds_ledger=True) for free in (2**29, 2**20)]
    assert [check.mark for check in full] == [Mark.WARN, Mark.FAIL]
    assert only(check_workers(ROLES, None)) == ["fail"] * 3


def test_a_small_data_directory_is_successful_while_the_ledger_is_elsewhere():
    """As in a container: 16 MiB of memory, and an external Redis."""
    checks = [check_disk(free, 16 * 2**20, "/var/lib/feishu-batch", holds_ledger=False) for free in (15 * 2**20, 2**10)]
    assert [check.mark for check in checks] == [Mark.OK, Mark.FAIL]
    assert checks[0].what == "15.0 MiB of 16.0 MiB are free at /var/lib/feishu-batch"


def lane_of(command, ledger, reading_of):
    command.enqueue(1)
    ledger.take_in()
    view = lane_view(reading_of, ledger.lane)
    return replace(view, figures=replace(view.figures, waiting_since=view.figures.now - 100))


@pytest.fixture
def waiting(command, ledger, redis, prefix):
    from worker.ledger.reads.ledger import LedgerReads

    return lane_of(command, ledger, LedgerReads(redis, prefix))


def test_a_single_route_that_is_off_for_a_while_is_reported_with_the_reason(waiting):
    refused = replace(waiting, singles=SingleState(13, 1800.0, "no permission (code 10301)"))
    [check] = check_lane(refused, WELL, 1.0, 200)
    assert (check.mark, "10301" in check.what, "1800 s" in check.what) == (Mark.WARN, True, True)
    for state in (SingleState(0), SingleState(13)):
        assert [one.mark for one in check_lane(replace(waiting, singles=state), WELL, 1.0, 200)] == [Mark.OK]


def test_a_lane_that_does_not_move_is_reported(waiting):
    def told(seen=WELL, max_open=200, **fields):
        checks = check_lane(waiting, replace(seen, **fields), 1.0, max_open)
        return [(check.mark.value, check.what) for check in checks]

    assert told()[0][0] == "ok"
    assert told(moving(asked_at=None)) == [
        ("fail", f"{waiting.lane} has sent nothing for 100 s, although changes are ready")
    ]
    assert told(moving(asked_at=NOW - 25))[0][0] == "fail"
    assert told(moving(asked_at=NOW - 99, opens_at=NOW + 40), strikes=3)[0][0] == "warn"
    assert "its worker is gone" in told(lease_over=99.0)[0][1]
    failing = (LastError("poll", 0.0, "HTTP 503"), 12.0)
    assert told(last_errors=(failing,)) == [("warn", f"{waiting.lane}: polling jobs has failed for 12 s: HTTP 503")]
    assert "not polled" in told(job_overdue=99.0)[0][1]
    assert "not read back" in told(check_overdue=99.0)[0][1]
    assert "not published" in told(outbox_overdue=99.0)[0][1]
    assert told(moving(asked_at=NOW - 99, unfinished=200))[0][0] == "warn"


@pytest.mark.parametrize(
    ("why", "fields"),
    [
        ("it sends", {"lease_until": NOW + 3}),
        ("it is paused", {"is_paused": True}),
        ("it was resumed a moment ago", {"resumed_at": NOW - 5}),
        ("it backs off", {"opens_at": NOW + 30}),
        ("as many jobs are open as may be", {"unfinished": 200}),
        ("a job ended a moment ago, the first after that", {"room_since": NOW - 5}),
        ("work came a moment ago", {"ready_since": NOW - 5}),
        ("all that waits is to be sent again later", {"ready_since": None, "due_at": NOW + 50}),
    ],
)
def test_a_lane_with_a_reason_to_send_nothing_is_not_stalled(why, fields):
    idle = replace(MOVES, asked_at=NOW - 99)
    assert idle.idle_for(1.0, 200) == 99
    assert replace(idle, **fields).idle_for(1.0, 200) < stalled_after(1.0), why


def test_a_slot_that_opens_in_a_year_is_no_reason():
    assert replace(MOVES, asked_at=NOW - 99, opens_at=NOW + 3e7).idle_for(1.0, 200) == 99


def test_signs_of_life_are_read(ledger, command, redis):
    nothing = read_lane_health(redis, ledger.lane.keys)
    assert (nothing.has_work, nothing.swept, nothing.send_state.ready_since) == (False, None, None)
    command.enqueue(1)
    ledger.take_in()
    ledger.lane.sweep(60, 60)
    assert read_lane_health(redis, ledger.lane.keys).has_work
    batch = ledger.claim()
    seen = read_lane_health(redis, ledger.lane.keys)
    assert (seen.lease_over, seen.swept < 5) == (0.0, True)
    ledger.accept(batch)
    seen = read_lane_health(redis, ledger.lane.keys)
    assert (seen.open_jobs, seen.job_overdue is not None) == (1, True)
