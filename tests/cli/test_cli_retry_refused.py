"""`retry` of what was refused at intake: as its producer wrote it, names and all, and never over a later change either."""

import pytest

from feishu_batch import parse_intent
from feishu_batch.packing import PackedIntent
from tests.cli.test_cli_retry import later, retried
from tests.support.rows_factory import PROJECT
from worker.ledger.lane import Lane
from worker.ledger.reads.intent_log import IntentLog
from worker.ledger.reads.ledger import LedgerReads
from worker.ledger.records import GroupSpec, Outcome
from worker.operating.retry.decision import Failure, SkipReason, decide
from worker.operating.retry.reader import RetryReader
from worker.pipeline.entries import as_written
from worker.pipeline.entries import new_intent as recorded

STORY = {"project_key": PROJECT, "work_item_type_key": "story", "field_key": "field_a1b2c3", "update_mode": "UPDATE"}


@pytest.fixture
def refused(command, ledger):
    """An intent that intake refused, and its entry."""

    def refuse(*items, code="cannot_resolve", **options):
        intent_id = command.enqueue(*items, **options)
        [entry] = ledger.in_inbox()
        intent = parse_intent(entry.payload)
        refusal = Outcome.failed(code, "nobody can be asked")
        at = entry.enqueued_at_ms
        ledger.lane.refuse(entry.number, intent_id, at, intent.work_item_ids, refusal, as_written(intent))
        ledger.inbox.hand_over({intent_id: (entry, "default")})
        return intent_id

    return refuse


def test_what_a_corrected_file_has_written_since_is_no_open_failure(command, ledger, refused):
    """Where the field is known. A name that is unknown may mean any field, so it stays."""
    refused(1, 2, field="field_a1b2c3", after='"P9"', code="unknown_option")
    refused(3, field="Priorty", code="unknown_field")
    command.enqueue(1, 3, field="field_a1b2c3")
    ledger.do_all()
    [lane] = command.json("failures")["lanes"]
    assert (lane["failed"], lane["corrected"]) == (2, 1)
    assert sorted(one["item"] for group in lane["groups"] for one in group["items"]) == [2, 3]


def test_what_was_refused_is_shown_and_retried_as_it_was_written(command, ledger, refused):
    intent = refused(1, 2, field="Priority", after='"P0"', priority="7", note="mine")
    shown = command.json("show", intent)
    assert (shown["group"]["field_key"], shown["group"]["after_field_value"]) == ("Priority", "P0")
    assert (shown["priority"], shown["note"], shown["state"]) == (7, "mine", "failed")
    [told] = retried(command, "--reason", "cannot_resolve", "--field", "Priority")["intents"]
    assert (told["retry_of"], told["items"]) == (intent, [1, 2])
    [entry] = ledger.in_inbox()
    again = parse_intent(entry.payload)
    assert (again.field_key, again.after_field_value, again.priority, again.lane) == ("Priority", "P0", 7, None)
    assert retried(command, "--all")["skipped"] == {"retried": 2}


def test_a_retry_that_is_refused_again_is_retried_in_its_turn(command, ledger, refused):
    first = refused(1, field="Priority")
    [told] = retried(command, "--all")["intents"]
    [entry] = ledger.in_inbox()
    again = parse_intent(entry.payload)
    at = entry.enqueued_at_ms
    ledger.lane.refuse(
        entry.number, again.intent_id, at, [1], Outcome.failed("cannot_resolve", "no"), as_written(again)
    )
    ledger.inbox.hand_over({again.intent_id: (entry, "default")})
    document = retried(command, "--all")
    assert {one["retry_of"]: one["items"] for one in document["intents"]} == {first: [], told["intent_id"]: [1]}


def test_a_field_by_name_may_be_any_that_was_changed_later(command, ledger, refused):
    refused(1, 2, field="Priority")
    later(command, ledger, 1, field="field_a1b2c3")
    document = retried(command, "--all", code=1)
    assert (document["items"], document["skipped"]) == (1, {"perhaps_overtaken": 1})
    assert retried(command, "--all", "--even-if-overtaken")["items"] == 1


def test_a_field_by_key_is_that_field_only(command, ledger, refused):
    refused(1, field="field_a1b2c3", code="bad_value")
    later(command, ledger, 1, field="field_ffffff")
    assert retried(command, "--all", "--dry-run")["items"] == 1
    later(command, ledger, 1, field="field_a1b2c3")
    assert retried(command, "--all", "--dry-run", code=1)["skipped"] == {"overtaken": 1}


def test_what_called_its_space_by_a_simple_name_may_belong_to_another_lane(ledger, redis, prefix):
    """The lane that keeps the record of the refusal is the default one, whichever owns the space."""
    spec = GroupSpec("mobile", "story", None, "Priority", "UPDATE", None, "old")
    failure = Failure(1, "one", "default", spec, (7,), is_refused=True)
    intent = parse_intent({**STORY, "work_item_ids": [7, 8], "field_key": "field_a1b2c3", "after_field_value": "new"})
    ledger.inbox.enqueue(PackedIntent.of(parse_intent({**STORY, "work_item_ids": [1], "after_field_value": "x"})))
    ledger.inbox.enqueue(PackedIntent.of(intent))
    elsewhere = Lane(redis, prefix, "mobile")
    entries = ledger.in_inbox()
    elsewhere.record([recorded(entry, parse_intent(entry.payload)) for entry in entries])
    ledger.inbox.hand_over({parse_intent(entry.payload).intent_id: (entry, "mobile") for entry in entries})
    reader = RetryReader(LedgerReads(redis, prefix), IntentLog(redis, prefix, ("default", "mobile")))
    decision = decide(failure, reader.past([failure]), 0.0, even_if_overtaken=False)
    assert decision.left == {SkipReason.PERHAPS_OVERTAKEN: (7,)}
