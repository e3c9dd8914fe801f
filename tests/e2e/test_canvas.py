"""Chains, groups, chords and callbacks of Celery, with intents in any place of them."""

import pytest
from celery import chain, chord, group

from feishu_batch import IntentError, ItemsFailed
from tests.e2e import backend_app as backend
from tests.e2e.signing import TASK, content, send, sign
from tests.support.model import REFUSING
from tests.support.waiting import PATIENCE

REFUSED = next(iter(REFUSING))


def test_link_gets_the_counts(stack, app, seen):
    sign(app).apply_async(link=backend.note.s(tag="linked").set(queue="backend"))
    [note] = seen("linked")
    assert note["result"]["counts"] == {"succeeded": 2, "failed": 0}


def test_a_callback_that_names_no_queue_goes_to_the_callback_queue(stack, app, seen):
    send(app, link=backend.note_without_queue.s(tag="no queue named"))
    assert seen("no queue named")


def test_link_error_gets_the_id_of_the_failed_task(stack, app, seen):
    result = sign(app, [REFUSED]).apply_async(link_error=backend.note_error.s().set(queue="backend"))
    [note] = seen("error")
    assert note["failed_id"] == result.id
    assert note["error"] == "ItemsFailed"
    assert str(REFUSED) in note["message"]


def test_it_may_be_any_link_of_a_chain(stack, app, seen):
    first = chain(sign(app, value="first"), backend.note.s(tag="after the first"))
    middle = chain(backend.say.s("hello"), sign(app, value="middle"), backend.note.s(tag="after the middle"))
    last = chain(backend.say.s("hello"), sign(app, [1103], value="last"))
    results = [one.apply_async() for one in (first, middle, last)]
    assert [result.get(timeout=PATIENCE)["state"] for result in results] == ["succeeded"] * 3
    assert seen("after the first")[0]["result"]["intent_id"] == results[0].parent.id
    assert seen("after the middle")[0]["result"]["intent_id"] == results[1].parent.id
    assert stack.sandbox.values()[1103] == {"field_a1b2c3": "last"}


def test_a_chain_of_intents_keeps_its_order_and_stops_at_a_failure(stack, app):
    result = chain(
        sign(app, [1104], "one"), sign(app, [REFUSED, 1104], "two"), sign(app, [1104], "three")
    ).apply_async()
    with pytest.raises(ItemsFailed):
        result.parent.get(timeout=PATIENCE)
    stack.wait_until_idle()
    [cell] = stack.sandbox.cells(item=1104)
    assert [touch["value"] for touch in cell["history"]] == ["one", "two"]
    with pytest.raises(ItemsFailed):  # Celery tells the links that will never run
        result.get(timeout=1)


def test_a_group_has_the_results_of_its_members(stack, app):
    result = group(sign(app, [item], f"value {item}") for item in (1105, 1106, 1107)).apply_async()
    assert [told["counts"]["succeeded"] for told in result.get(timeout=PATIENCE)] == [1, 1, 1]


def test_a_signature_that_is_used_again_is_another_intent_each_time(stack, app):
    first, second = sign(app, [1112], "first"), sign(app, [1112], "second")
    assert chain(first, second, first).apply_async().get(timeout=PATIENCE)["state"] == "succeeded"
    [cell] = stack.sandbox.cells(item=1112)
    assert [touch["value"] for touch in cell["history"]] == ["first", "second", "first"]
    many = group(first.clone() for _ in range(3)).apply_async()
    assert [told["state"] for told in many.get(timeout=PATIENCE)] == ["succeeded"] * 3


def test_a_task_of_the_backend_may_replace_itself_by_an_intent(stack, app, seen):
    alone = backend.become.delay(content([1113], "replaced"))
    followed = chain(backend.become.s(content([1114], "replaced")), backend.note.s(tag="after it")).apply_async()
    for result, item in ((alone, 1113), (followed.parent, 1114)):
        told = result.get(timeout=PATIENCE)
        assert (told["intent_id"], told["state"]) == (result.id, "succeeded")
        assert stack.sandbox.values()[item] == {"field_a1b2c3": "replaced"}
    assert seen("after it")[0]["result"]["intent_id"] == followed.parent.id


def test_a_task_of_the_backend_may_add_an_intent_to_its_chord(stack, app, seen):
    header = [backend.widen.s(content([1115], "added")), backend.say.s("beside it")]
    assert chord(header)(backend.gather.s(tag="widened")).get(timeout=PATIENCE) == 3
    results = seen("widened")[0]["results"]
    assert sorted(one if isinstance(one, str) else one["state"] for one in results) == [
        "beside it",
        "succeeded",
        "widened",
    ]


def test_a_chord_of_chains_groups_and_intents_has_an_intent_in_its_body(stack, app, seen):
    header = [chain(sign(app, [1116], "a"), sign(app, [1116], "b")), group(sign(app, [1117]), sign(app, [1118]))]
    result = chord(header)(chain(backend.gather.s(tag="nested"), sign(app, [1119], "body"))).get(timeout=PATIENCE)
    assert (result["state"], len(seen("nested")[0]["results"])) == ("succeeded", 3)
    both = chord([sign(app, [1120]), sign(app, [1121])])(sign(app, [1122], "body"))
    assert both.get(timeout=PATIENCE)["state"] == "succeeded"


def test_a_refused_member_of_a_chord_fails_it_and_calls_the_errback_of_its_body(stack, app, seen):
    body = backend.gather.s(tag="never").on_error(backend.note_error.s().set(queue="backend"))
    bad = app.signature(TASK, kwargs={}, options={"queue": "feishu.intents"})
    result = chord([sign(app, [1123]), bad])(body)
    with pytest.raises(IntentError, match="project_key: is missing"):
        result.get(timeout=PATIENCE)
    [note] = seen("error")
    assert (note["error"], "project_key: is missing" in note["message"]) == ("ChordError", True)


def test_an_intent_may_be_called_back_by_a_task_of_the_backend(stack, app):
    result = backend.say.apply_async(("hello",), link=sign(app, [1124], "linked"))
    assert result.get(timeout=PATIENCE) == "hello"
    assert [child.get(timeout=PATIENCE)["state"] for child in result.children] == ["succeeded"]


def test_the_body_of_a_chord_runs_when_its_intents_have_ended(stack, app, seen):
    header = [sign(app, [1108], "a"), backend.say.s("in between"), sign(app, [1109], "b")]
    result = chord(header)(backend.gather.s(tag="chord"))
    assert result.get(timeout=PATIENCE) == 3
    [note] = seen("chord")
    states = [one if isinstance(one, str) else one["state"] for one in note["results"]]
    assert states == ["succeeded", "in between", "succeeded"]


def test_a_chord_with_a_failed_intent_fails(stack, app):
    result = chord([sign(app, [1110]), sign(app, [REFUSED])])(backend.gather.s(tag="failed chord"))
    with pytest.raises(Exception, match=str(REFUSED)):
        result.get(timeout=PATIENCE)
