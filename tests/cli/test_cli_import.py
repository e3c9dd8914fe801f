"""`import`: a file becomes intents, once."""

import json

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from feishu_batch.intents import parse_intent
from feishu_batch.outcomes import OutcomeKind
from tests.support.rows_factory import csv_text, row
from worker.ledger.records import Outcome

GOOD = [row(str(item)) for item in range(1, 6)]
BAD = row("abc")


@pytest.fixture
def file(tmp_path):
    def write(*rows, name="plan.csv"):
        path = tmp_path / name
        path.write_text(csv_text(*rows))
        return path

    return write


def test_every_row_is_an_intent_in_the_order_of_the_file(command, ledger, file):
    result = command("import", file(*GOOD))
    assert result.exit_code == 0
    assert "5 enqueued" in result.stdout
    found = [parse_intent(entry.payload).work_item_ids for entry in ledger.in_inbox()]
    assert found == [(1,), (2,), (3,), (4,), (5,)]


def test_the_same_file_twice_is_enqueued_once(command, ledger, file):
    path = file(*GOOD)
    command("import", path)
    again = command("import", path)
    assert again.exit_code == 0
    assert "0 enqueued, 5 enqueued by an earlier run and not again" in again.stdout
    assert ledger.inbox.length() == 5


def test_another_import_id_does_it_all_again(command, ledger, file):
    path = file(*GOOD)
    command("import", path)
    command("import", path, "--import-id", "once-more")
    assert ledger.inbox.length() == 10


def test_more_rows_than_one_step_are_all_enqueued(command, ledger, file):
    document = json.loads(command("import", file(*[row(str(item)) for item in range(1, 1203)]), "--json").stdout)
    assert document["enqueued"] == 1202
    assert ledger.inbox.length() == 1202


def test_wrong_rows_are_rejected_and_the_rest_continues(command, ledger, file):
    result = command("import", file(GOOD[0], BAD, GOOD[1]))
    assert result.exit_code == 1
    assert "2 enqueued, 1 rejected" in result.stdout
    assert "1     3      work_item_ids: 'abc' is not a work item id" in result.stdout
    assert ledger.inbox.length() == 2


def test_strict_refuses_the_file(command, ledger, file):
    result = command("import", "--strict", file(GOOD[0], BAD))
    assert result.exit_code == 2
    assert "line 3: work_item_ids" in result.stderr
    assert ledger.inbox.length() == 0
    assert command("import", "--strict", file(*GOOD)).exit_code == 0


NAMED = (
    "project_key",
    "work_item_type_key",
    "work_item_ids",
    "field_key",
    "update_mode",
    "after_field_value",
    "intent_id",
)


def test_strict_refuses_an_id_that_two_rows_give_to_different_contents(command, ledger, tmp_path):
    path = tmp_path / "plan.csv"
    path.write_text(csv_text([*row("1"), "a"], [*row("2"), "a"], header=NAMED))
    result = command("import", "--strict", path)
    assert result.exit_code == 2
    assert "1 of 2 rows is wrong; nothing was enqueued" in result.stderr
    assert "line 3: intent_id: a is already used for other content, in line 2" in result.stderr
    assert ledger.inbox.length() == 0


def test_strict_refuses_an_id_that_the_ledger_has_for_another_content(command, ledger, tmp_path):
    command.enqueue(7, intent_id="a")
    path = tmp_path / "plan.csv"
    path.write_text(csv_text([*row("1"), "b"], [*row("2"), "a"], header=NAMED))
    result = command("import", "--strict", path)
    assert result.exit_code == 2
    assert "line 3: intent_id: a is already used for other content, enqueued before" in result.stderr
    assert ledger.inbox.length() == 1


def test_strict_counts_all_wrong_rows_and_lists_their_reasons(command, file):
    other = row("7", mode="OVERWRITE")
    result = command("import", "--strict", file(GOOD[0], *[BAD] * 8, other))
    assert "9 of 10 rows are wrong" in result.stderr
    frequent, rare = result.stderr.splitlines()[1:]
    assert frequent.startswith("  lines 3, 4, 5, 6, 7 … and 3 more: work_item_ids")
    assert rare.startswith("  line 11: update_mode")


def test_rejected_rows_are_listed_in_the_order_of_the_file(command, tmp_path):
    path = tmp_path / "plan.csv"
    path.write_text(csv_text([*row("1"), "a"], [*row("2"), "a"], [*BAD, ""], header=NAMED))
    document = json.loads(command("import", path, "--json").stdout)
    assert [row["line"] for row in document["rejected"]] == [3, 4]


def test_a_rejected_row_shows_the_value_that_is_wrong(command, file):
    assert '(got "DELETE")' in command("import", file(row("1", mode="DELETE"))).stdout


def test_wait_may_have_an_end_and_the_work_continues(command, ledger, file):
    path = file(*GOOD)
    result = command("import", path, "--wait", "--timeout", "0.2")
    assert result.exit_code == 1
    assert "not ended in time; the work continues" in result.stdout
    assert ledger.inbox.length() == 5
    document = json.loads(command("import", path, "--wait", "--timeout", "0.2", "--json").stdout)
    assert document["open"] == 5
    assert command("import", path, "--timeout", "1").exit_code == 2


def test_waiting_tells_what_blocks_the_work(command, ledger, file):
    ledger.lane.last_errors.note("submit", "the connection was refused")
    told = command("import", file(*GOOD), "--wait", "--timeout", "0.2", "--json")
    assert told.exit_code == 1
    assert (
        json.loads(told.stdout)["remark"] == "lane default: sending fails, and is retried: the connection was refused"
    )


def test_the_encoding_of_a_file_may_be_named(command, ledger, tmp_path):
    path = tmp_path / "plan.csv"
    path.write_bytes(csv_text(row("1", after="上线说明"), row("2", after="ascii")).encode("gbk"))
    told = command("import", path)
    assert told.exit_code == 2
    assert "--encoding gb18030" in told.stderr
    assert ledger.inbox.length() == 0
    piped = command("import", "-", "--format", "csv", input=path.read_bytes())
    assert (piped.exit_code, "looks like GB18030" in piped.stderr) == (2, True)
    told = command("import", path, "--encoding", "gb18030")
    assert "2 enqueued" in told.stdout
    assert parse_intent(ledger.in_inbox()[0].payload).after_field_value == "上线说明"
    wrong = command("import", path, "--encoding", "utf-16")
    assert (wrong.exit_code, "CSV UTF-8" in wrong.stderr) == (2, True)


def test_an_end_of_redis_half_way_tells_how_far_it_came(command, ledger, file, monkeypatch):
    from worker.cli import import_run

    looks = iter(range(10))

    def until_it_ends(session, ids):
        if next(looks):
            raise RedisConnectionError("connection refused")
        return [None for _ in ids]

    path = file(*(row(str(item)) for item in range(1, 700)))
    with monkeypatch.context() as patch:
        patch.setattr(import_run, "_digests", until_it_ends)
        told = command("import", path)
    assert told.exit_code == 3
    assert "connection refused. 500 rows are enqueued, and safe there: run the same import again" in told.stderr
    assert "199 enqueued, 500 enqueued by an earlier run and not again" in command("import", path).stdout


def test_what_had_ended_before_is_reported_without_contradiction(command, ledger, file):
    path = file(GOOD[0])
    command("import", path)
    ledger.do_all()
    told = command("import", path, "--wait")
    assert told.exit_code == 0
    assert "1 row of" in told.stdout
    assert "no request was sent: all had ended before" in told.stdout
    assert "no request yet" not in told.output


def test_an_id_that_is_taken_costs_one_row_only(command, ledger, tmp_path):
    header = (
        "project_key",
        "work_item_type_key",
        "work_item_ids",
        "field_key",
        "update_mode",
        "after_field_value",
        "intent_id",
    )
    path = tmp_path / "plan.csv"
    rows = [[*row("1"), "a"], [*row("2"), "a"], [*row("1"), "a"], [*row("3"), "b"]]
    path.write_text(csv_text(*rows, header=header))
    document = json.loads(command("import", path, "--json").stdout)
    assert (document["enqueued"], document["known"], document["repeated"]) == (2, 0, 1)
    assert document["rejected"] == [{"line": 3, "reason": "intent_id: a is already used for other content, in line 2"}]
    assert ledger.inbox.length() == 2


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("plan.csv", "a,b\n1,2\n", "lacks project_key, work_item_type_key, work_item_ids"),
        ("plan.csv", "", "it is empty"),
        ("plan.txt", "x", "plan.txt: its extension is not that of a known format: give --format csv, jsonl or xlsx"),
        ("plan.csv", "\ufeff" + csv_text(), "it contains no rows"),
        ("plan.jsonl", "\n \n", "it is empty"),
        ("plan.jsonl", "[{}]", "this is a JSON array, but JSON Lines has one JSON object per line"),
        ("plan.jsonl", "{\n}", "this JSON object spans several lines, but JSON Lines has one JSON object per line"),
        ("plan.xlsx", "x", "this is a text file, not a workbook: give --format csv or jsonl"),
        ("plan.xls", "x", "this is a text file, not a workbook: give --format csv or jsonl"),
    ],
)
def test_a_file_that_cannot_be_used_is_2_and_one_line(command, tmp_path, name, content, complaint):
    path = tmp_path / name
    path.write_text(content)
    result = command("import", path)
    assert result.exit_code == 2
    assert complaint in result.stderr
    assert "Nothing was enqueued" in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("path", "complaint"), [("missing.csv", "there is no such file"), (".", "this is a directory, not a file")]
)
@pytest.mark.parametrize("name", ["import", "plan"])
def test_a_file_that_cannot_be_read_is_2(command, name, path, complaint):
    result = command(name, path, "--format", "csv")
    assert (result.exit_code, result.stderr) == (2, f"feishu-batch: {path}: {complaint}. Nothing was enqueued.\n")


def test_a_directory_is_reported_before_its_ending(command):
    assert "this is a directory" in command("import", ".").stderr


def test_a_row_that_is_cut_off_names_no_other_line(command, tmp_path):
    path = tmp_path / "plan.jsonl"
    path.write_text('{"a": 1}\n{"project_key": "x",\n{nonsense}\n')
    rejected = json.loads(command("import", path, "--json").stdout)["rejected"]
    assert rejected[1] == {"line": 2, "reason": "not valid JSON: EOF while parsing a value at its end"}
    assert rejected[2] == {"line": 3, "reason": "not valid JSON: key must be a string at character 2"}


def test_standard_input_needs_a_format(command, ledger):
    assert command("import", "-", input=csv_text(*GOOD)).exit_code == 2
    assert command("import", "-", "--format", "csv", input=csv_text(*GOOD)).exit_code == 0
    assert ledger.inbox.length() == 5


def test_json_tells_everything(command, file):
    document = json.loads(command("import", file(GOOD[0], BAD), "--json").stdout)
    assert document["rows"] == 2
    assert document["rejected_count"] == 1
    assert document["rejected"][0]["line"] == 3
    assert document["counts"] is None
    assert len(document["import_id"]) == 16


def test_wait_ends_with_a_table_by_reason(command, ledger, file):
    path = file(*GOOD, row("1", after='{"value": "option_0"}'), BAD)
    command("import", path)
    ledger.do_all({2: "NoPermissionToModify", 3: "NoPermissionToModify", 4: "WorkItemTerminated"})
    result = command("import", path, "--wait")  # what was enqueued before is followed, too
    assert result.exit_code == 1
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert "succeeded 2" in lines
    assert "superseded 1 a later change of the same field overwrites it" in lines
    assert "failed before 2 the remote said NoPermissionToModify: items 2, 3" in lines
    assert "failed before 1 the remote said WorkItemTerminated: item 4" in lines
    assert "To send again what failed: correct the rows, or feishu-batch retry --set" in result.stdout

    assert any(line.startswith("1 8 work_item_ids") for line in lines)


def test_what_was_never_sent_is_reported_with_its_items(command, ledger, file):
    path = file(*GOOD)
    command("import", path)
    ledger.take_in()
    for number, kind in ((1, OutcomeKind.EXPIRED), (2, OutcomeKind.CANCELED), (3, OutcomeKind.EXPIRED)):
        ledger.lane.end_pending(number, Outcome(kind))
    ledger.do_all()
    lines = [" ".join(line.split()) for line in command("import", path, "--wait").stdout.splitlines()]
    assert "expired 2 not sent before its expires_at: items 1, 3" in lines
    assert "canceled 1 canceled before it was sent: item 2" in lines


def test_wait_with_json_is_one_document(command, ledger, file):
    path = file(*GOOD)
    command("import", path)
    ledger.do_all({2: "NoPermissionToModify"})
    result = command("import", path, "--wait", "--json")
    document = json.loads(result.stdout)
    assert result.exit_code == 1
    none = dict.fromkeys(("unchanged", "superseded", "canceled", "expired"), 0)
    assert document["counts"] == {"total": 5, "succeeded": 4, "failed": 1, **none}
    [group] = document["failed_before"]
    assert document["failed"] == []
    assert (group["code"], group["count"], group["items"][0]["item"]) == ("NoPermissionToModify", 1, 2)
    assert (document["open"], document["remark"]) == (0, None)
    assert result.stderr == ""


def test_what_failed_before_and_succeeded_by_a_retry_is_no_failure(command, ledger, file):
    path = file(*GOOD)
    command("import", path)
    ledger.do_all({2: "NoPermissionToModify"})
    command("retry", "--all", "--yes")
    ledger.do_all()
    result = command("import", path, "--wait")
    assert result.exit_code == 0, result.stdout
    assert "retried    1        failed before, and succeeded on a retry since" in result.stdout
    assert "failed before  " not in result.stdout


def test_wait_ends_for_an_intent_that_was_refused_as_a_whole(command, ledger, file, redis):
    path = file(row("1 2 3"))
    command("import", path)
    [entry] = ledger.in_inbox()
    intent = parse_intent(entry.payload)
    ledger.lane.refuse(
        entry.number,
        intent.intent_id,
        entry.enqueued_at_ms,
        intent.work_item_ids,
        Outcome.failed("unknown_lane", "no such lane"),
    )
    ledger.inbox.hand_over({intent.intent_id: (entry, "default")})
    result = command("import", path, "--wait")
    assert result.exit_code == 1
    assert "no such lane: items 1, 2, 3" in result.stdout


def test_without_waiting_a_paused_lane_is_reported_on_stderr(command, ledger, file):
    ledger.lane.pause("the quota is used up", polling=False)
    told = command("import", file(*GOOD))
    assert told.stderr.count("lane default is paused: the quota is used up") == 1
    again = command("import", file(*GOOD))  # everything is known: nothing of it waits for the lane
    assert "paused" not in again.stderr


def test_values_from_before_are_kept_of_a_file_of_field_changes_too(command, ledger, file):
    path = file(*GOOD)
    assert command("import", path, "--keep-before").exit_code == 0
    made = [parse_intent(entry.payload) for entry in ledger.in_inbox()]
    assert made
    assert all(one.keep_before for one in made)
    assert command("import", path).stdout.startswith("Nothing was sent")  # the option makes no other import of it
    assert command("cancel", "--keep-before", "some-intent").exit_code == 2
