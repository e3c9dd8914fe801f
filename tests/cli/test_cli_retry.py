"""`retry`: once more, never twice, and never over a later change."""

import json

import pytest

from feishu_batch import FeishuBatch
from feishu_batch.outcomes import OutcomeKind
from tests.support.rows_factory import PROJECT
from worker.ledger.conditional_inbox import ConditionalInbox
from worker.ledger.records import BatchState, GroupSpec, Outcome
from worker.operating.retry.decision import Failure, LaterWrite, LaterWrites, SkipReason, decide, new_intent

OLD, NEW = '{"value": "option_1"}', '{"value": "option_2"}'


@pytest.fixture
def failed(command, ledger):
    """An intent of three items, two of which failed for two reasons."""
    intent = command.enqueue(1, 2, 3, note="mine", priority="7")
    ledger.do_all({2: "Terminated", 3: "NoPermission"})
    return intent


def retried(command, *args, code=0):
    result = command("retry", *args, "--yes", "--json")
    assert result.exit_code == code, result.output
    return json.loads(result.stdout)


def later(command, ledger, *items, failing=None, after=NEW, **options):
    intent = command.enqueue(*items, after=after, **options)
    ledger.do_all(failing or {})
    return intent


def test_failed_items_are_enqueued_as_a_new_intent_that_names_the_old(command, ledger, failed):
    [told] = retried(command, "--intent", failed)["intents"]
    assert (told["retry_of"], told["items"]) == (failed, [2, 3])
    ledger.take_in()
    shown = command.json("show", told["intent_id"])
    assert (shown["note"], shown["priority"], shown["group"]["after_field_value"]) == (
        f"retry of {failed}",
        7,
        {"value": "option_1"},
    )
    assert [item["item"] for item in shown["items"]] == [2, 3]
    ledger.do_all()
    assert command.json("show", told["intent_id"])["state"] == "succeeded"


def test_the_same_failures_are_retried_once(command, ledger, failed):
    first = retried(command, "--all")
    assert first["items"] == 2
    assert retried(command, "--all") == {
        "dry_run": False,
        "items": 0,
        "skipped": {"retried": 2},
        "intents": [
            {"retry_of": failed, "lane": "default", "intent_id": None, "items": [], "skipped": {"retried": [2, 3]}}
        ],
        "counts": None,
    }
    ledger.do_all()
    assert retried(command, "--all", "--even-if-overtaken")["items"] == 0
    assert ledger.inbox.length() == 0


def test_of_a_retry_that_failed_the_retry_is_retried(command, ledger, failed):
    [first] = retried(command, "--reason", "Terminated")["intents"]
    assert first["items"] == [2]
    ledger.do_all({2: "Terminated"})
    document = retried(command, "--all")
    assert {one["retry_of"]: one["items"] for one in document["intents"]} == {failed: [3], first["intent_id"]: [2]}


def test_a_new_intent_has_the_same_id_for_the_same_items(failed, command, ledger):
    shown = [retried(command, "--intent", failed, "--dry-run")["intents"][0]["intent_id"] for _ in range(2)]
    assert shown[0] == shown[1]
    assert (
        retried(command, "--intent", failed, "--reason", "Terminated", "--dry-run")["intents"][0]["intent_id"]
        != shown[0]
    )


# --- order ----------------------------------------------------------------------------------------------------------


def test_an_item_that_was_changed_later_is_left(command, ledger, failed):
    later(command, ledger, 2)
    document = retried(command, "--intent", failed, code=1)
    assert (document["items"], document["skipped"]) == (1, {"overtaken": 1})
    assert document["intents"][0]["items"] == [3]


def test_a_later_change_counts_from_the_inbox_on(command, ledger, failed):
    command.enqueue(2, after=NEW)
    assert retried(command, "--all", "--dry-run", code=1)["skipped"] == {"overtaken": 1}
    ledger.take_in()
    assert retried(command, "--all", "--dry-run", code=1)["skipped"] == {"overtaken": 1}
    batch = ledger.accept(ledger.claim())
    assert retried(command, "--all", "--dry-run", code=1)["skipped"] == {"overtaken": 1}
    ledger.lane.advance(
        batch, state=BatchState.OPEN, settled=batch.by_cell({2: Outcome(OutcomeKind.SUCCEEDED)}), then=BatchState.OPEN
    )
    assert retried(command, "--all", "--dry-run", code=1)["skipped"] == {"overtaken": 1}


def test_a_change_that_waits_in_the_inbox_under_a_name_may_be_of_the_same_field(command, ledger, failed):
    command.enqueue(2, after=NEW, field="Severity")
    command.enqueue(3, after=NEW, field="field_ffffff")
    document = retried(command, "--all", "--dry-run", code=1)
    assert (document["intents"][0]["items"], document["skipped"]) == ([3], {"overtaken": 1})


def test_an_item_of_an_intent_that_is_half_done_counts(command, ledger, failed):
    command.enqueue(2, *range(100, 160), after=NEW)
    ledger.take_in()
    ledger.settle(ledger.claim())
    assert ledger.lane.counts().owned_cells == 11
    assert retried(command, "--all", "--dry-run", code=1)["skipped"] == {"overtaken": 1}


@pytest.mark.parametrize("reason", ["Terminated", "outcome_unknown"])
def test_a_later_change_that_was_refused_does_not_count_unless_it_may_have_been_applied(
    command, ledger, failed, reason
):
    later(command, ledger, 2, failing={2: reason})
    uncertain = reason == "outcome_unknown"
    assert retried(command, "--intent", failed, "--dry-run", code=int(uncertain))["items"] == (1 if uncertain else 2)


def test_a_later_change_that_was_canceled_does_not_count(command, ledger, failed):
    canceled = command.enqueue(2, after=NEW)
    ledger.take_in()
    command("cancel", canceled)
    assert retried(command, "--intent", failed)["items"] == 2


def test_other_fields_and_items_do_not_count(command, ledger, failed):
    later(command, ledger, 2, field="owner")
    later(command, ledger, 1)
    assert retried(command, "--intent", failed)["items"] == 2


def test_an_earlier_change_does_not_count(command, ledger):
    later(command, ledger, 2)
    intent = later(command, ledger, 2, after=OLD, failing={2: "A"})
    assert retried(command, "--intent", intent)["items"] == 1


def test_retries_of_a_cell_stand_in_the_order_of_the_failures(command, ledger):
    first = later(command, ledger, 1, after=OLD, failing={1: "A"})
    second = later(command, ledger, 1, after=NEW, failing={1: "A"})
    assert [one["retry_of"] for one in retried(command, "--all")["intents"]] == [first, second]
    ledger.take_in()
    assert ledger.claim().spec.after_field_value == {"value": "option_2"}


def test_what_was_forgotten_may_have_been_a_later_change(command, ledger, failed):
    other = later(command, ledger, 77)
    number, _ = ledger.inbox.locate(other)
    ledger.inbox.forget([(number, other)])
    ledger.lane.forget([number])
    assert retried(command, "--all", "--dry-run", code=1)["skipped"] == {"forgotten": 2}
    assert retried(command, "--all", "--even-if-overtaken")["items"] == 2


def test_an_overtaken_item_can_be_insisted_on(command, ledger, failed):
    later(command, ledger, 2)
    assert retried(command, "--intent", failed, "--even-if-overtaken")["items"] == 2


# --- selection ------------------------------------------------------------------------------------------------------


def test_selections_narrow_each_other_down(command, ledger, failed):
    owner = later(command, ledger, 5, 6, field="owner", failing={5: "Terminated", 6: "B"})

    def chosen(*args):
        return {one["retry_of"]: one["items"] for one in retried(command, *args, "--dry-run")["intents"]}

    assert chosen("--reason", "Terminated") == {failed: [2], owner: [5]}
    assert chosen("--reason", "Terminated", "--field", "owner") == {owner: [5]}
    assert chosen("--intent", failed, "--intent", owner, "--field", "priority") == {failed: [2, 3]}
    assert chosen("--since", "1h", "--lane", "default") == {failed: [2, 3], owner: [5, 6]}
    assert chosen("--intent", failed, "--since", "1h") == {failed: [2, 3]}
    for nothing in (("--reason", "nothing"), ("--field", "nothing"), ("--intent", failed, "--field", "owner")):
        assert retried(command, *nothing, "--dry-run", code=1)["intents"] == []  # a misspelt code or field is noticed


def test_what_has_expired_and_what_was_refused_is_left(command, ledger, redis):
    intent = command.enqueue(1, expires_at="2099-01-01T00:00:00Z")
    ledger.do_all({1: "A"})
    ledger.lane.refuse(999, "refused", 0, [8, 9], Outcome.failed("no_lane", "no lane"))
    assert retried(command, "--all", "--dry-run", code=1)["skipped"] == {"refused": 2}
    redis.hset(ledger.lane.keys.named(f"intent:{ledger.inbox.locate(intent)[0]}"), "x", 1)
    assert retried(command, "--all", "--dry-run", code=1)["skipped"] == {"expired": 1, "refused": 2}


@pytest.mark.parametrize(
    "args", [[], ["--all", "--json"], ["--intent", "nothing"], ["--since", "ever"], ["--all", "--lane", "x"]]
)
def test_wrong_use_is_2(command, args):
    assert command("retry", *args).exit_code == 2


def test_it_asks_before_it_enqueues(command, ledger, failed):
    refused = command("retry", "--all", input="n\n")
    assert refused.exit_code == 2
    assert "nothing was enqueued" in refused.stderr
    assert ledger.inbox.length() == 0
    assert "2 items of 1 intent can be retried" in refused.stdout
    agreed = command("retry", "--all", input="y\n")
    assert (agreed.exit_code, ledger.inbox.length()) == (0, 1)
    assert "Enqueued 1 intent." in agreed.stdout


def test_a_dry_run_enqueues_nothing(command, ledger, failed):
    later(command, ledger, 2)
    result = command("retry", "--all", "--dry-run")
    assert result.exit_code == 1
    assert "Nothing was enqueued: --dry-run." in result.stdout
    assert "1 item skipped: a later intent" in result.stdout
    assert ledger.inbox.length() == 0


def test_nothing_failed(command):
    result = command("retry", "--all")
    assert (result.exit_code, result.stdout) == (0, "no failures\n")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--reason", "nosuch"), "the code nosuch"),
        (("--field", "nosuch", "--since", "1h"), "the field nosuch"),
        (("--reason", "Terminated", "--field", "nosuch"), "the code Terminated and the field nosuch"),
    ],
)
def test_a_code_or_a_field_that_no_failure_has_is_said(command, failed, args, said):
    result = command("retry", *args, "--yes")
    assert result.exit_code == 1
    assert result.stdout == f"no selected failed item has {said}; see: feishu-batch failures\n"
    assert json.loads(command("retry", *args, "--yes", "--json").stdout)["intents"] == []


def test_large_intents_are_retried_whole(command, ledger, redis_url, prefix):
    items = list(range(1, 1201))
    with FeishuBatch(redis_url, key_prefix=prefix) as client:
        change = {"project_key": PROJECT, "work_item_type_key": "story", "field_key": "f", "update_mode": "UPDATE"}
        client.enqueue(**change, work_item_ids=items, after_field_value="x")
    ledger.do_all(dict.fromkeys(items, "A"))
    assert retried(command, "--all")["intents"][0]["items"] == items


# --- the decision alone ---------------------------------------------------------------------------------------------


def test_a_retry_comes_before_any_other_reason():
    failure = Failure(5, "a", "default", None, (1,))
    assert decide(failure, LaterWrites(), 0, even_if_overtaken=True).left == {SkipReason.REFUSED: (1,)}
    with pytest.raises(ValueError, match="no value"):
        new_intent(failure, [1])


def test_only_later_numbers_count():
    touch = LaterWrite(4, None, stands=True)
    spec = GroupSpec("p", "story", None, "f", "UPDATE", None, "x")
    failure = Failure(5, "a", "default", spec, (1,))
    assert decide(
        failure, LaterWrites({("default", "p f", 1): [touch]}, forgotten=4), 0, even_if_overtaken=False
    ).items == (1,)


# --- what others enqueue meanwhile ----------------------------------------------------------------------------------


def sent(ledger, batches):
    """Item → the value that was sent to it last."""
    values = {}
    for _ in range(batches):
        batch = ledger.claim()
        values |= dict.fromkeys(batch.items, json.dumps(batch.spec.after_field_value))
        ledger.settle(batch)
    return values


@pytest.fixture
def asked(monkeypatch):
    """What happens between the question and the answer `y`."""
    meanwhile = []

    def yes(*_args, **_options):
        for what in meanwhile:
            what()
        return True

    monkeypatch.setattr("click.confirm", yes)
    return meanwhile


def test_what_is_enqueued_while_it_waits_for_an_answer_is_not_overwritten(command, ledger, failed, asked):
    asked.append(lambda: command.enqueue(2, after=NEW))
    result = command("retry", "--all")
    assert result.exit_code == 1
    assert "2 items of 1 intent can be retried" in result.stdout
    assert "1 item left out since then: a later intent changes the same field" in result.stdout
    assert "(item 2)" in result.stdout
    assert "Enqueued 1 intent." in result.stdout
    ledger.take_in()
    assert sent(ledger, 2) == {2: NEW, 3: OLD}


def test_when_everything_dropped_out_nothing_is_enqueued(command, ledger, failed, asked):
    asked.append(lambda: command.enqueue(2, 3, after=NEW))
    result = command("retry", "--all")
    assert (result.exit_code, ledger.inbox.length()) == (1, 1)
    assert "Enqueued 0 intents." in result.stdout


def test_a_retry_by_another_process_meanwhile_is_no_reason_to_complain(command, ledger, failed, asked):
    asked.append(lambda: retried(command, "--all"))
    result = command("retry", "--all")
    assert (result.exit_code, ledger.inbox.length()) == (0, 1)
    assert "left out since then: already retried" in result.stdout


class Racer:
    """Enqueues in the last moment, between the look and the writing, so many times."""

    def __init__(self, monkeypatch, command, *items, times):
        self.left, self.items, self.command = times, items, command
        write = ConditionalInbox.write_if_newest

        def late(inbox, intents, newest):
            if self.left:
                self.left -= 1
                self.command.enqueue(*self.items, after=NEW)
            return write(inbox, intents, newest)

        monkeypatch.setattr(ConditionalInbox, "write_if_newest", late)


def test_what_is_enqueued_between_the_last_look_and_the_writing_is_not_overwritten(
    command, ledger, failed, monkeypatch
):
    Racer(monkeypatch, command, 2, times=1)
    assert [one["items"] for one in retried(command, "--all", code=1)["intents"]] == [[3]]
    ledger.take_in()
    assert sent(ledger, 2) == {2: NEW, 3: OLD}


def test_others_who_enqueue_something_else_cost_looks_and_nothing_more(command, ledger, failed, monkeypatch):
    Racer(monkeypatch, command, 77, times=20)
    assert retried(command, "--all")["items"] == 2
    assert ledger.inbox.length() == 21


def test_who_never_stops_enqueueing_is_given_way_to(command, ledger, failed, monkeypatch):
    monkeypatch.setattr("worker.operating.retry.enqueue.TRIES", 3)
    Racer(monkeypatch, command, 77, times=99)
    document = retried(command, "--all", code=1)
    assert (document["items"], document["skipped"]) == (0, {"hurried": 2})
    assert ledger.inbox.length() == 3


def test_more_retries_than_one_step_takes_do_not_stand_in_each_others_way(command, ledger, redis_url, prefix):
    change = {"project_key": PROJECT, "work_item_type_key": "story", "field_key": "f", "update_mode": "UPDATE"}
    with FeishuBatch(redis_url, key_prefix=prefix) as client:
        client.enqueue_many(
            {**change, "work_item_ids": [1 + number // 2], "after_field_value": "x" * 3000, "keep_every_change": True}
            | {"note": str(number)}
            for number in range(600)
        )
    ledger.do_all(dict.fromkeys(range(1, 301), "A"))
    assert retried(command, "--all")["items"] == 600
    assert ledger.inbox.length() == 600
