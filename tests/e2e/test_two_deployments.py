"""Two deployments on one server, each with a remote system of its own: neither takes what is meant for the other."""

import contextlib
import dataclasses
import os
import sys
import tempfile
import time

import pytest
from celery import Celery, chain, chord

from config.settings import as_environment
from feishu_batch import UnknownIntent, signature
from tests.support.model import TEXT, intent
from tests.support.stack import Stack
from tests.support.waiting import PATIENCE, wait_until
from tests.support.zygote import run_command, zygote
from worker.processes.child import REFUSED
from worker.processes.roles import worker_children

TASK = "feishu_batch.update_work_items"
OTHER = "staging"
ITEMS = {"feishu-batch": 1001, OTHER: 1401}


class Neighbour(Stack):
    """On the server of another stack."""

    def __init__(self, directory, server, **settings):
        super().__init__(directory, **settings)
        self.server = OfAnother(server)


class OfAnother:
    def __init__(self, server):
        self.url = server.url

    def start(self):
        pass

    def kill(self):
        pass


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    with Stack(tmp_path_factory.mktemp("first")) as stack:
        yield stack


@pytest.fixture(scope="module")
def both(first, tmp_path_factory):
    with Neighbour(tmp_path_factory.mktemp("second"), first.server, key_prefix=OTHER) as second:
        yield first, second


def content(item, value):
    return intent([item], value).model_dump(mode="json", exclude_defaults=True, exclude={"intent_id"})


@contextlib.contextmanager
def backend(stack):
    url = stack.server.url
    with Celery("backend", broker=url, backend=url, set_as_current=False) as app:
        app.conf.task_default_queue = "backend"
        yield app


def by_the_library(stack, item):
    return [stack.client.enqueue(**content(item, "library")).intent_id]


def by_many(stack, item):
    return [one.intent_id for one in stack.client.enqueue_many([content(item, "many"), content(item + 1, "many")])]


def by_signature(stack, item):
    with backend(stack) as app:
        return [signature(app=app, key_prefix=stack.settings.key_prefix, **content(item, "signature")).delay().id]


def by_chain_and_chord(stack, item):
    with backend(stack) as app:

        def sign(at):
            return signature(app=app, key_prefix=stack.settings.key_prefix, **content(at, "canvas"))

        last = chain(sign(item), sign(item + 1), app=app).apply_async()
        body = chord([sign(item + 2), sign(item + 3)], app=app)(sign(item + 4))
        return [last.parent.id, last.id, body.id]


def by_send_task(stack, item):
    queue = "feishu.intents" if stack.settings.key_prefix == "feishu-batch" else f"feishu.intents.{OTHER}"
    with backend(stack) as app:
        return [app.send_task(TASK, kwargs=content(item, "send_task"), queue=queue).id]


def by_a_file(stack, item):
    value = f"file {time.monotonic_ns()}"  # or the second import would be the same one
    (stack.directory / "rows.csv").write_text(
        "project_key,work_item_type_key,work_item_ids,field_key,update_mode,after_field_value\n"
        f"{intent([item], 'x').project_key},story,{item},{TEXT},UPDATE,{value}\n"
    )
    code, said = command(stack, "import", "rows.csv", "--wait", "--timeout", "30")
    assert code == 0, said
    return []


def by_the_command(stack, item):
    one = intent([item], "x")
    arguments = (
        "--project-key",
        one.project_key,
        "--type",
        one.work_item_type_key,
        "--field",
        TEXT,
        "--item",
        str(item),
    )
    code, said = command(stack, "enqueue", *arguments, "--after", "command", "--wait")
    assert code == 0, said
    return []


def command(stack, *arguments):
    env = {**os.environ, **as_environment(stack.settings)}
    done = run_command(*arguments, env=env, cwd=stack.directory, timeout=PATIENCE)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    "entry",
    [by_the_library, by_many, by_signature, by_chain_and_chord, by_send_task, by_a_file, by_the_command],
    ids=lambda entry: entry.__name__,
)
def test_every_entry_point_reaches_its_own_remote_system_only(both, entry):
    for stack in both:
        stack.sandbox.reset()
    begun = [(stack, entry(stack, ITEMS[stack.settings.key_prefix])) for stack in both for _ in range(2)]
    for stack, ids in begun:
        for intent_id in ids:
            handle = stack.client.handle(intent_id)
            wait_until(lambda one=handle: is_known(one), PATIENCE, f"a worker has recorded {intent_id}")
            assert handle.wait(PATIENCE).ok
    for stack in both:
        own = ITEMS[stack.settings.key_prefix]
        items = [item for batch in stack.batches() for item in batch["item_ids"]]
        assert items
        assert all(own <= item < own + 10 for item in items), items


def is_known(handle):
    """What comes as a Celery message is known once a worker has taken the message."""
    with contextlib.suppress(UnknownIntent):
        return bool(handle.view())
    return False


def test_a_producer_that_revokes_is_heard_by_its_own_workers_only(both):
    """Both have an intent of that id, which stands still; one is taken back."""
    for stack in both:
        stack.lane.pause("a test", polling=True)
    try:
        handles = [stack.client.enqueue(**content(1001, "x"), intent_id="the-same") for stack in both]
        for handle in handles:
            wait_until(lambda handle=handle: handle.view().lane, 20, "it was taken in")
        handles[1].async_result.revoke()
        wait_until(lambda: str(handles[1].state) == "canceled", 20, "it was taken back")
        assert str(handles[0].state) == "open"
    finally:
        for stack in both:
            stack.lane.resume()
    assert handles[0].wait(PATIENCE).ok


def test_each_is_told_of_its_own_workers_only(both):
    for stack in both:
        _, said = command(stack, "doctor")
        assert "submit, poll and intake workers answer" in said
    both[1].end("submit", 30)
    try:
        assert "no submit worker answers" in command(both[1], "doctor")[1]
        assert "no submit worker answers" not in command(both[0], "doctor")[1]
    finally:
        both[1].start("submit")


def test_a_message_for_the_default_prefix_that_nobody_takes_is_named(both):
    first, second = both
    first.kill("intake")
    try:
        with backend(second) as app:
            astray = first.client.handle(app.send_task(TASK, kwargs=content(1401, "astray"), queue="feishu.intents").id)
        said = command(second, "doctor")[1]
        assert "1 messages wait in the queue feishu.intents" in said
        assert f"send them to the queue feishu.intents.{OTHER}" in said
    finally:
        first.start("intake")
    wait_until(lambda: is_known(astray), PATIENCE, "who it was not meant for has taken it")
    assert astray.wait(PATIENCE).ok


# --- one ledger, other settings ---------------------------------------------------------------------------------------


def refused(stack, name="submit", **settings):
    """Exit code and last words of a worker that is started beside those of the stack, with other settings."""
    changed = type(stack.settings)(**{**stack.settings.model_dump(exclude_unset=True), **settings})
    [child] = [child for child in worker_children(changed, sys.executable) if child.name == name]
    argv = tuple(part.replace(f"--hostname={name}.", f"--hostname={name}-twin.") for part in child.argv)
    with tempfile.TemporaryFile() as output:
        twin = zygote().spawn(dataclasses.replace(child, argv=argv), output)
        try:
            code = twin.wait(PATIENCE)
        finally:
            twin.kill()
        output.seek(0)
        return code, output.read().decode()


@pytest.mark.parametrize("name", ["submit", "poll", "intake"])
@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"base_url": "http://127.0.0.1:1"}, "is served by workers with the remote system 127.0.0.1"),
        ({"plugin_id": "another"}, "is served by workers with another plugin"),
        ({"lane": "another"}, "has the same plugin as lane another"),
    ],
    ids=["remote", "plugin", "lane"],
)
def test_a_worker_for_another_remote_system_is_refused_while_workers_run(first, name, settings, why):
    code, said = refused(first, name, **settings)
    assert (code, why in said) == (REFUSED, True), said
    assert first.client.enqueue(**content(1001, f"after {name}")).wait(PATIENCE).ok
