import json
from base64 import b64decode
from concurrent.futures import ThreadPoolExecutor

import pytest

from feishu_batch import (
    ConfigurationError,
    FeishuBatch,
    IntentConflict,
    IntentError,
    IntentState,
    UpdateIntent,
    parse_intent,
)
from feishu_batch.keys import InboxKeys
from feishu_batch.names import QUEUE_INTENTS, TASK_INTAKE, name_for
from feishu_batch.packing import CHUNK_BYTES, CHUNK_INTENTS, PackedIntent, chunks
from tests.client.intent_factory import content
from tests.support.waiting import PATIENCE


@pytest.fixture
def client(redis_url, prefix):
    with FeishuBatch(redis_url, key_prefix=prefix) as client:
        yield client


def inbox(redis, prefix) -> list[UpdateIntent]:
    return [UpdateIntent.parse(fields["i"]) for _, fields in redis.xrange(InboxKeys(prefix).inbox)]


def test_an_enqueued_intent_is_in_the_inbox(client, redis, prefix):
    handle = client.enqueue(**content(note="from a test"))
    (written,) = inbox(redis, prefix)
    assert written.intent_id == handle.intent_id
    assert written.note == "from a test"
    assert handle.state is IntentState.QUEUED
    assert client.handle(handle.intent_id).state is IntentState.QUEUED


def test_a_bad_intent_is_refused_before_anything_is_written(client, redis, prefix):
    with pytest.raises(IntentError, match="project_key"):
        client.enqueue(**content(project_key="not simple"))
    with pytest.raises(IntentError, match=r"^intents\.1: field_key: "):
        client.enqueue_many([content(), content(field_key=" spaces ")])
    assert inbox(redis, prefix) == []


def test_every_bad_intent_of_a_list_is_named_up_to_a_bound(client, redis, prefix):
    bad = content(field_key=" spaces ", work_item_ids=[0])
    with pytest.raises(IntentError) as refused:
        client.enqueue_many([bad, content(), bad])
    places = [line.partition(":")[0] for line in str(refused.value).splitlines()]
    assert places == ["intents.0", "intents.0", "intents.2", "intents.2"]
    with pytest.raises(IntentError) as refused:
        client.enqueue_many(bad for _ in range(1000))
    lines = str(refused.value).splitlines()
    assert (len(lines), lines[-1]) == (11, "… and 995 more intents with problems")
    assert inbox(redis, prefix) == []


def test_the_same_id_again_is_the_same_intent(client, redis, prefix):
    for _ in range(2):
        client.enqueue(**content(intent_id="once"))
    client.enqueue_many([parse_intent(content(intent_id="once"))] * 3)
    assert len(inbox(redis, prefix)) == 1


def test_the_same_id_with_another_content_is_refused(client, redis, prefix):
    client.enqueue(**content(intent_id="once"))
    with pytest.raises(IntentConflict, match="once"):
        client.enqueue(**content(intent_id="once", after_field_value="other"))
    with pytest.raises(IntentConflict, match="twice"):
        client.enqueue_many([content(intent_id="twice"), content(intent_id="twice", priority=1)])
    assert len(inbox(redis, prefix)) == 1


def test_many_intents_keep_their_order_over_all_chunks(client, redis, prefix):
    handles = client.enqueue_many(content(work_item_ids=[n]) for n in range(1, 1203))
    assert [intent.work_item_ids[0] for intent in inbox(redis, prefix)] == list(range(1, 1203))
    assert [handle.intent_id for handle in handles] == [intent.intent_id for intent in inbox(redis, prefix)]


def test_a_conflict_in_the_last_chunk_leaves_the_first_unwritten(client, redis, prefix):
    client.enqueue(**content(intent_id="taken"))
    intents = [content(work_item_ids=[n]) for n in range(1, 1100)]
    with pytest.raises(IntentConflict, match="taken"):
        client.enqueue_many([*intents, content(intent_id="taken", priority=0)])
    assert len(inbox(redis, prefix)) == 1


def test_a_handle_says_whether_the_intent_was_known(client):
    assert client.enqueue(**content(intent_id="once")).was_known is False
    assert client.enqueue(**content(intent_id="once")).was_known is True
    many = client.enqueue_many([content(intent_id="once"), content(intent_id="new"), content(intent_id="new")])
    assert [handle.was_known for handle in many] == [True, False, True]
    assert client.handle("once").was_known is None


def test_over_several_chunks_each_handle_says_so_of_its_own(client):
    client.enqueue(**content(intent_id="i700"))
    handles = client.enqueue_many(content(intent_id=f"i{n}") for n in range(1200))
    assert [handle.intent_id for handle in handles if handle.was_known] == ["i700"]


def test_nothing_to_enqueue_is_no_error(client):
    assert client.enqueue_many([]) == []


def test_chunks_are_bounded_in_number_and_size():
    small = [PackedIntent.of(parse_intent(content())) for _ in range(1001)]
    large = [PackedIntent.of(parse_intent(content(after_field_value="é" * 32_000))) for _ in range(40)]
    parts = list(chunks([*small, *large]))
    assert [intent for part in parts for intent in part] == [*small, *large]
    assert max(len(part) for part in parts) == CHUNK_INTENTS
    assert max(sum(len(intent.json.encode()) for intent in part) for part in parts) <= CHUNK_BYTES


def test_one_hint_is_sent_while_none_is_taken(client, redis, prefix):
    queue = name_for(QUEUE_INTENTS, prefix)
    for _ in range(5):
        client.enqueue(**content())
    (message,) = redis.lrange(queue, 0, -1)
    headers = json.loads(message)["headers"]
    assert headers["task"] == TASK_INTAKE
    assert headers["ignore_result"] is True
    redis.delete(InboxKeys(prefix).hint)
    client.enqueue(**content())
    assert redis.llen(queue) == 2


def test_the_environment_of_the_surrounding_celery_app_does_not_matter(redis_url, prefix, redis, monkeypatch):
    for name in ("CELERY_BROKER_URL", "CELERY_BROKER_WRITE_URL", "CELERY_RESULT_BACKEND"):
        monkeypatch.setenv(name, "redis://127.0.0.1:1/0")
    with FeishuBatch(redis_url, key_prefix=prefix) as client:
        handle = client.enqueue(**content())
        assert redis.llen(name_for(QUEUE_INTENTS, prefix)) == 1
        assert handle.async_result.state == "PENDING"
        with redis.pubsub(ignore_subscribe_messages=True) as workers:
            workers.psubscribe(f"*.celery.{prefix}.pidbox")
            workers.get_message(timeout=5)
            handle.async_result.revoke()
            broadcast = json.loads(workers.get_message(timeout=5)["data"])
    told = json.loads(b64decode(broadcast["body"]))
    assert (told["method"], told["arguments"]["task_id"]) == ("revoke", handle.intent_id)


@pytest.mark.filterwarnings("ignore:Call to deprecated setex")  # Celery's own call
def test_the_celery_result_has_the_intents_id(client, redis):
    handle = client.enqueue(**content())
    result = handle.async_result
    result.backend.store_result(handle.intent_id, {"state": "succeeded"}, "SUCCESS")
    assert result.id == handle.intent_id
    assert result.get(timeout=PATIENCE) == {"state": "succeeded"}
    result.backend.client.close()
    redis.delete(f"celery-task-meta-{handle.intent_id}")


def test_threads_share_a_client(client, redis, prefix):
    def produce(_):
        return {client.enqueue(**content()).state for _ in range(50)}

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(produce, range(8))) == [{"queued"}] * 8
    assert len(inbox(redis, prefix)) == 400


def test_a_closed_client_opens_again(client):
    client.enqueue(**content())
    client.close()
    client.close()
    assert client.enqueue(**content()).state is IntentState.QUEUED


def test_the_client_is_configured_by_the_environment(redis_url, prefix, redis):
    environ = {"FEISHU_BATCH_REDIS_URL": redis_url, "FEISHU_BATCH_KEY_PREFIX": prefix, "FEISHU_BATCH_BROKER_URL": ""}
    with FeishuBatch.from_env(environ) as client:
        client.enqueue(**content())
    assert len(inbox(redis, prefix)) == 1


@pytest.mark.parametrize("environ", [{}, {"FEISHU_BATCH_REDIS_URL": ""}])
def test_a_missing_setting_is_named(environ):
    with pytest.raises(ConfigurationError, match="FEISHU_BATCH_REDIS_URL is not set"):
        FeishuBatch.from_env(environ)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REDIS_URL", "localhost:6379"),
        ("REDIS_URL", "redis://host:port/0"),
        ("BROKER_URL", "localhost"),
        ("RESULT_BACKEND", "amqp://host"),
        ("KEY_PREFIX", "a{b}"),
    ],
)
def test_a_wrong_variable_is_named(name, value):
    environ = {"FEISHU_BATCH_REDIS_URL": "redis://host", f"FEISHU_BATCH_{name}": value}
    with pytest.raises(ConfigurationError, match=f"^FEISHU_BATCH_{name} "):
        FeishuBatch.from_env(environ)


@pytest.mark.parametrize("single", [content(), json.dumps(content()), parse_intent(content())])
def test_one_intent_in_place_of_a_list_is_reported(client, single):
    with pytest.raises(IntentError, match="takes a list of intents, not a single"):
        client.enqueue_many(single)


def test_a_key_that_is_missing_is_an_intent_error(client):
    with pytest.raises(IntentError, match=r"^field_key: is missing$"):
        client.enqueue(**content(field_key=...))


def test_a_timeout_that_is_no_number_is_reported(client):
    with pytest.raises(TypeError, match="must be a number of seconds, not str"):
        client.handle("i").wait("60")


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("http://:secret@host", {}),
        ("secret", {}),
        ("redis://:secret@host:port/0", {}),
        ("redis://:secret@host/0?socket_timeout=secret", {}),
        ("redis://host", {"key_prefix": "a{b}"}),
        ("redis://host", {"timeout": 0}),
        ("redis://host", {"broker_url": "https://:secret@host"}),
        ("redis://host", {"broker_url": "sentinel://:secret@host"}),
        ("redis://host", {"result_backend": "amqp://:secret@host"}),
    ],
)
def test_wrong_settings_are_refused_at_once_without_the_secret(url, options):
    with pytest.raises(ConfigurationError) as caught:
        FeishuBatch(url, **options)
    assert "secret" not in str(caught.value)
