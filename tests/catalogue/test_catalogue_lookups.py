"""Asking the remote system over real HTTP: what is kept, what is asked again, and what happens when nobody answers."""

import threading
import time

import pytest

from tests.catalogue.wish import SPACE, wish
from tests.support.waiting import PATIENCE, wait_until
from worker.catalogue.gate import CatalogueGate, without_catalogue
from worker.catalogue.models import RETRY, Refusal, RefusedError, UnavailableError
from worker.catalogue.queries import BackgroundQueries
from worker.ledger.lane import Lane
from worker.ledger.reads.lane_health import read_lane_health

FIELDS = "field_all"


def gate_of(catalogue, unchecked=None):
    reasons = [] if unchecked is None else unchecked
    return CatalogueGate({"default": catalogue}, lambda _lane, _project: "default", reasons.append)


def test_thousands_of_intents_and_a_second_process_cost_one_question(catalogue_of, asked):
    before = asked(FIELDS)
    for catalogue in (catalogue_of(), catalogue_of()):
        for _ in range(500):
            assert catalogue.checked(wish("Priority", "P0")).field_key == "priority"
    assert asked(FIELDS) - before == 1


def test_a_space_a_person_and_a_name_of_three_fields_over_http(catalogue_of):
    check = gate_of(catalogue_of()).check
    sent = check(wish("Watchers", ["lilei@example.com", "meimei@example.com"], project_key="demo"))
    assert (sent.project_key, sent.after_field_value) == (SPACE, ["7300000000000000002", "7300000000000000003"])
    refused = check(wish("Owner", "nobody@example.com"))
    assert refused == Refusal("unknown_person", "no user has the e-mail address 'nobody@example.com'")
    refused = check(wish("Reviewer", "x"))
    assert refused.code == "ambiguous"
    assert "field_000001, field_000002, field_000003" in refused.reason
    assert check(wish("x", "y", project_key="nosuch")).code == "unknown_space"


@pytest.mark.parametrize(
    ("given", "hint"),
    [("storry", "Did you mean story?"), ("Story", "Did you mean story?"), ("zzz", "The types of this")],
)
def test_a_wrong_item_type_is_refused_with_the_nearest_and_asked_for_once(catalogue_of, asked, given, hint):
    before = asked(FIELDS), asked("all_types")
    check = gate_of(catalogue_of(catalogue_retry_seconds=30)).check
    answers = {check(wish("priority", "P0", work_item_type_key=given, work_item_ids=[n])) for n in range(1, 50)}
    [refused] = answers
    assert refused.code == "unknown_type"
    assert refused.reason.startswith(f"the space has no item type '{given}'. {hint}")
    assert (asked(FIELDS), asked("all_types")) == (before[0] + 1, before[1] + 1)


@pytest.mark.parametrize(
    "faults", ["all_types:refuse=1.0,code=10301", "all_types:error_before=1.0", "field_all:refuse=1.0,code=10301"]
)
def test_a_type_is_not_called_wrong_before_two_answers_agree(catalogue_of, sandbox, faults):
    sandbox.set_faults(faults)
    intent = wish("priority", {"value": "option_0"}, work_item_type_key="storry")
    assert gate_of(catalogue_of()).check(intent) is intent


def test_a_type_whose_fields_are_refused_but_that_is_there_passes(catalogue_of, sandbox):
    sandbox.set_faults("field_all:refuse=1.0,code=30014")
    intent = wish("priority", {"value": "option_0"})
    assert gate_of(catalogue_of()).check(intent) is intent


def test_people_are_asked_for_together_and_kept_without_their_addresses(catalogue_of, asked, redis, prefix):
    before = asked("user_query")
    value = "lilei@example.com; meimei@example.com; xiaoming@example.com"
    for catalogue in (catalogue_of(), catalogue_of()):
        assert len(catalogue.checked(wish("Watchers", value)).after_field_value) == 3
    assert asked("user_query") - before == 1
    kept = [key + (redis.get(key) or "") for key in redis.scan_iter(f"{prefix}*person*")]
    assert len(kept) == 3
    assert not any("lilei" in text for text in kept)


def test_a_refusal_rests_on_a_fresh_look_and_the_looks_are_bounded(catalogue_of, asked):
    catalogue = catalogue_of(catalogue_recheck_seconds=1.5)
    assert catalogue.checked(wish("priority", "P0"))
    before = asked(FIELDS)
    for _ in range(50):  # looked up just now: refused at once
        with pytest.raises(RefusedError):
            catalogue.checked(wish("nothing", 1))
    assert asked(FIELDS) - before == 0
    time.sleep(1.6)
    for _ in range(50):
        with pytest.raises(RefusedError):
            catalogue.checked(wish("nothing", 1))
    assert asked(FIELDS) - before == 1


def test_a_field_that_was_made_meanwhile_is_found(catalogue_of, redis, prefix):
    """The cache is older than the field: here, it was written without it."""
    catalogue_of().checked(wish("priority", "P0"))
    key = f"{prefix}:{{default}}:catalogue:{SPACE} story"
    kept = redis.get(key).replace("release_note", "another").replace("Release note", "Another")
    redis.set(key, kept.replace("field_a1b2c3", "field_ffffff"))
    time.sleep(0.3)
    catalogue = catalogue_of()
    assert catalogue.checked(wish("Another", "x")).field_key == "field_ffffff"  # what is kept serves
    assert catalogue.checked(wish("Release note", "x")).field_key == "field_a1b2c3"


def test_the_lane_notes_that_look_ups_fail_until_one_is_answered(catalogue_of, sandbox, redis, prefix):
    trouble = lambda: {one.what: one.error for one, _ in read_lane_health(redis, lane.keys).last_errors}  # noqa: E731
    lane = Lane(redis, prefix, "default")
    wrong = catalogue_of(base_url="http://127.0.0.1:1", catalogue_wait_seconds=5)
    assert gate_of(wrong).check(wish("Priority", "P0")).code == "cannot_resolve"
    wait_until(trouble, 10, "it is noted")
    assert "connect" in trouble()["look_up"].lower()
    assert lane.last_errors.none(), "the work itself has no trouble"
    assert catalogue_of().checked(wish("Priority", "P0")).field_key == "priority"
    wait_until(lambda: not trouble(), 10, "it is over")


def test_a_wrong_name_is_no_trouble_of_the_lane(catalogue_of, redis, prefix):
    gate_of(catalogue_of()).check(wish("priority", "P0", work_item_type_key="zzz"))
    assert read_lane_health(redis, Lane(redis, prefix, "default").keys).last_errors == ()


def test_what_is_old_serves_while_it_is_looked_up_beside_the_work(catalogue_of, asked, sandbox):
    catalogue = catalogue_of(catalogue_fresh_seconds=1)
    catalogue.checked(wish("priority", "P0"))
    time.sleep(1.1)
    before = asked(FIELDS)
    sandbox.set_faults("field_all:hang_before=1x,seconds=0.5")
    began = time.monotonic()
    assert catalogue.checked(wish("priority", "P0"))
    assert time.monotonic() - began < 0.3
    sandbox.clear_faults()
    time.sleep(1.2)
    catalogue.checked(wish("priority", "P0"))
    wait_until(lambda: asked(FIELDS) - before >= 1, 5, "it asked")


FAULTS = [
    "error_before=1.0",
    "garbage_before=1.0",
    "drop_before=1.0",
    "hang_before=1.0,seconds=4",
    "spurious_429=1.0",
    "refuse=1.0,code=10301",
]


@pytest.mark.parametrize("fault", [*FAULTS, "refuse=1.0,code=30001", "refuse=1.0,code=20006"])
def test_without_an_answer_no_key_is_refused_or_held(catalogue_of, sandbox, fault):
    sandbox.set_faults(f"field_all:{fault}")
    reasons = []
    check = gate_of(catalogue_of(), reasons).check
    began = time.monotonic()
    for _ in range(200):
        intent = wish("field_0a1b2c", {"anything": 1})
        assert check(intent) is intent
    assert time.monotonic() - began < 2.5
    assert len(reasons) == 200
    assert "secret" not in "".join(reasons)


def test_once_it_answers_again_intents_are_checked_again(catalogue_of, sandbox):
    sandbox.set_faults("field_all:error_before=1.0")
    check = gate_of(catalogue_of()).check
    assert check(wish("field_0a1b2c", 1)).field_key == "field_0a1b2c"
    sandbox.clear_faults()
    time.sleep(0.4)
    assert check(wish("field_0a1b2c", 1)).code == "unknown_field"


def test_the_credentials_are_refused_and_the_work_continues(catalogue_of, sandbox):
    sandbox.set_faults("plugin_token:refuse=1.0,code=10204")
    intent = wish("priority", {"value": "option_0"})
    assert gate_of(catalogue_of()).check(intent) is intent


def test_a_lane_that_is_stalled_is_not_asked_for(catalogue_of, redis, prefix, asked):
    Lane(redis, prefix, "default").pause("the quota is used up", polling=False)
    before = asked(FIELDS)
    reasons = []
    intent = wish("priority", {"value": "option_0"})
    assert gate_of(catalogue_of(), reasons).check(intent) is intent
    assert "the lane is paused: the quota is used up" in reasons[0]
    assert asked(FIELDS) == before


def test_a_lane_that_an_operator_paused_looks_names_up(catalogue_of, redis, prefix):
    """What is enqueued meanwhile is kept, and names are part of it."""
    Lane(redis, prefix, "default").pause("maintenance", polling=True)
    assert gate_of(catalogue_of()).check(wish("Priority", "P0")).after_field_value == {"value": "option_0"}


def test_a_name_that_cannot_be_sent_is_not_let_through_unchecked(catalogue_of, sandbox):
    sandbox.set_faults("*:error_before=1.0")
    check = gate_of(catalogue_of()).check
    for intent in (wish("Release note", "x"), wish("priority", "P0", project_key="demo")):
        for answer in (check(intent), without_catalogue(intent)):
            assert answer.code == "cannot_resolve"
            assert "give its key" in answer.reason
        assert RETRY in check(intent).reason


def test_nor_is_a_label_or_an_address_that_nobody_can_look_up(catalogue_of, sandbox):
    catalogue = catalogue_of()
    catalogue.checked(wish("priority", "P0"))
    sandbox.set_faults("*:error_before=1.0")
    time.sleep(0.3)
    check = gate_of(catalogue).check
    assert check(wish("owner", "lilei@example.com")).code == "cannot_resolve"
    assert check(wish("priority", "P7")).code == "cannot_resolve"
    assert check(wish("priority", "P1")).after_field_value == {"value": "option_1"}  # what is known goes on serving
    known_shape = wish("priority", {"value": "made_a_minute_ago"})
    assert check(known_shape) is known_shape


def test_a_token_that_was_lost_is_renewed_once(catalogue_of, sandbox):
    catalogue_of().checked(wish("priority", "P0"))
    sandbox.set_faults("token_loss=1x")
    assert catalogue_of().fields(SPACE, "story", age=0.0)


def test_the_limit_of_the_endpoint_is_kept(catalogue_of, sandbox):
    catalogue = catalogue_of(read_slots_per_second=15)
    began = time.monotonic()
    for _ in range(8):
        catalogue.fields(SPACE, "story", age=0.0)
    assert time.monotonic() - began > 7 / 15 - 0.05
    assert sandbox.violations()["total"] == 0


def test_damage_in_the_cache_is_looked_up_copied(catalogue_of, redis, prefix):
    redis.set(f"{prefix}:{{default}}:catalogue:{SPACE} story", '{"value": [{"key": 1')
    assert catalogue_of().checked(wish("Priority", "P0")).field_key == "priority"


# --- queries ----------------------------------------------------------------------------------------------------------


def test_an_query_is_run_once_for_all_who_wait_and_never_waited_for_twice():
    queries, gate, runs = BackgroundQueries(wait=1, pause=0.3), threading.Event(), []

    def query():
        runs.append(1)
        gate.wait(PATIENCE)

    began = time.monotonic()
    for name in ("a", "a", "b"):
        with pytest.raises(UnavailableError, match=r"no answer within 1 s"):
            queries.run(name, query)
    assert time.monotonic() - began < 2  # one wait, not three, on a busy machine as well
    gate.set()
    time.sleep(0.4)
    queries.run("a", query)
    assert len(runs) == 2


def test_a_crash_in_an_query_stays_there():
    queries = BackgroundQueries(wait=30, pause=0.2)
    with pytest.raises(UnavailableError, match="ZeroDivisionError"):
        queries.run("a", lambda: 1 / 0)
    queries.run("b", lambda: None)
    time.sleep(0.25)
    queries.run("a", lambda: None)


def test_an_answer_that_is_late_can_be_waited_for():
    queries, known = BackgroundQueries(wait=0.05, pause=30, is_logged=False), []

    def answers_late():
        time.sleep(0.3)
        known.append(True)

    with pytest.raises(UnavailableError, match="no answer within"):
        queries.run("x", answers_late)
    assert not queries.await_running(0.01)
    assert queries.await_running(10)
    assert known
    assert not queries.await_running(10), "nothing is being looked up"


class AnswersLate:
    """A lane's catalogue that knows nothing when it is asked first."""

    def __init__(self, *, comes):
        self.asked, self._comes = 0, comes

    def checked(self, intent):
        self.asked += 1
        if self.asked == 1:
            raise UnavailableError("no answer within 1.5 s")
        return intent

    def late_answer_came(self):
        return self._comes


def test_an_answer_that_is_only_late_refuses_no_text():
    text, key = wish("field_a1b2c3", "a text"), wish("field_a1b2c3", 5)
    assert gate_of(AnswersLate(comes=True)).check(text) is text
    assert gate_of(AnswersLate(comes=False)).check(text).code == "cannot_resolve"
    quick = AnswersLate(comes=True)
    assert gate_of(quick).check(key) is key
    assert quick.asked == 1, "what passes unchecked waits for nobody"


def test_a_text_for_a_field_that_nobody_can_look_up_is_refused(catalogue_of, sandbox):
    sandbox.set_faults("*:error_before=1.0")
    refused = gate_of(catalogue_of()).check(wish("field_a1b2c3", "P0"))
    assert refused.code == "cannot_resolve"
    assert RETRY in refused.reason
