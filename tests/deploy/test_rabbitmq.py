"""RabbitMQ as the broker, the ledger in Redis."""

import json
import signal
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from amqp import Connection, Message
from celery import Celery, chain, chord, group
from celery.exceptions import TaskRevokedError

from config.celery_options import celery_options
from config.routing import QueueName
from config.settings import Settings
from feishu_batch import signature
from tests.support.deploy_servers import Process
from tests.support.deploy_stack import DeployStack
from tests.support.programs import require
from tests.support.servers import Server, free_port
from tests.support.waiting import PATIENCE, fair_now, wait_until
from worker.processes.deliveries import QueueLook, Waiting

PROGRAM = "/usr/lib/rabbitmq/bin/rabbitmq-server"
CONTROL = "/usr/lib/rabbitmq/bin/rabbitmqctl"
CHANGE = {
    "project_key": "5f0c1a2b3c4d5e6f70818283",
    "work_item_type_key": "story",
    "field_key": "field_a1b2c3",
    "update_mode": "UPDATE",
}


class RabbitMq:
    """A node of its own, with its own files, ports and name service; ends with the test."""

    def __init__(self, directory: Path) -> None:
        self.port, distribution, self._names = free_port(), free_port(), free_port()
        (directory / "rabbitmq.conf").write_text(f"listeners.tcp.1 = 127.0.0.1:{self.port}\n")
        (directory / "plugins").write_text("[].\n")
        self._directory = directory
        self._environment = {
            "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
            "HOME": str(directory),
            "ERL_EPMD_PORT": str(self._names),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_BASE": str(directory),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_CONFIG_FILE": str(directory / "rabbitmq.conf"),
            "RABBITMQ_DIST_PORT": str(distribution),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(directory / "plugins"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(directory / "config"),
            "RABBITMQ_LOG_BASE": str(directory / "log"),
            "RABBITMQ_MNESIA_BASE": str(directory / "mnesia"),
            "RABBITMQ_NODENAME": f"test{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_SCHEMA_DIR": str(directory / "schema"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none",  # one thread, which does not wait busily
        }
        self._epmd: Process | None = None
        self._node: Process | None = None

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    def start(self) -> None:
        log = self._directory / "rabbitmq.log"
        # Started here, or the node starts one that outlives it.
        self._epmd = Process(["epmd", "-port", str(self._names), "-address", "127.0.0.1"], log)
        self._node = Process([PROGRAM], log, env=self._environment, cwd=self._directory)

    def wait(self) -> None:
        wait_until(self._answers, 60, "RabbitMQ answers")

    def kill(self) -> None:
        for process in filter(None, (self._node, self._epmd)):
            process.kill()

    def connection(self) -> Connection:
        connection = Connection(f"127.0.0.1:{self.port}", connect_timeout=5)
        connection.connect()
        return connection

    def purge(self) -> None:
        with self.connection() as connection:
            channel = connection.channel()
            for queue in QueueName:
                channel.queue_purge(str(queue))

    def control(self, *words: str) -> None:
        subprocess.run([CONTROL, "--quiet", *words], env=self._environment, check=True, stdout=subprocess.DEVNULL)

    @contextmanager
    def alarm(self):
        """It thinks that it is short of memory, and reads nothing more from who publishes."""
        self.control("set_vm_memory_high_watermark", "absolute", "1MB")
        try:
            yield
        finally:
            self.control("set_vm_memory_high_watermark", "0.6")

    def _answers(self) -> bool:
        try:
            self.connection().close()
        except (TimeoutError, OSError):
            return False
        return True


@pytest.fixture(scope="module")
def rabbit(tmp_path_factory):
    require(PROGRAM, "epmd")
    server = RabbitMq(tmp_path_factory.mktemp("rabbitmq"))
    try:
        server.start()
        server.wait()
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="module")
def stack(rabbit, tmp_path_factory):
    directory = tmp_path_factory.mktemp("rabbitmq-stack")
    server = Server(directory)
    with DeployStack(directory, server, server.url, broker_url=rabbit.url, stall_seconds=2) as stack:
        yield stack


def test_an_intent_is_applied_and_redis_holds_no_message(stack):
    handle = stack.client.enqueue(**CHANGE, work_item_ids=[1021], after_field_value="by RabbitMQ")
    assert handle.wait(PATIENCE).state == "succeeded"
    assert [key for key in stack.redis.keys("*") if key.startswith(("feishu.", "_kombu", "unacked"))] == []


@pytest.fixture
def sign(stack, rabbit):
    """A backend's signatures, for its own Celery app."""
    with Celery("backend", broker=rabbit.url, backend=stack.server.url, set_as_current=False) as app:
        yield lambda item: signature(app=app, **CHANGE, work_item_ids=[item], after_field_value="by Celery")


def test_the_celery_task_works_for_chains_and_chords(sign):
    assert chain(sign(1022), sign(1023)).apply_async().get(timeout=PATIENCE)["state"] == "succeeded"
    assert chord([sign(1024), sign(1025)])(sign(1026)).get(timeout=PATIENCE)["state"] == "succeeded"


def test_a_revoke_of_a_group_or_by_a_handle_reaches_what_waits(stack, sign):
    stack.lane.pause("for the test", polling=True)
    try:
        handle = stack.client.enqueue(**CHANGE, work_item_ids=[1029], after_field_value="never")
        wait_until(lambda: handle.view().lane, 30, "it is taken in")
        handle.async_result.revoke()
        assert handle.wait(PATIENCE).state == "canceled"
        waiting = group(sign(item) for item in (1027, 1028)).apply_async()
        wait_until(lambda: {one.state for one in waiting} == {"PROGRESS"}, 30, "they are taken in")
        waiting.revoke()
        for one in waiting:
            with pytest.raises(TaskRevokedError):
                one.get(timeout=PATIENCE)
    finally:
        stack.lane.resume()
    assert [stack.client.handle(one.id).state for one in waiting] == ["canceled", "canceled"]


def test_a_message_by_a_plain_client_is_taken(stack, rabbit):
    """As docs/producers.md says it for other languages."""
    intent = {**CHANGE, "work_item_ids": [1024], "after_field_value": "by a plain client"}
    headers = {"task": "feishu_batch.update_work_items", "id": "plain-1", "root_id": "plain-1"}
    body = json.dumps([[], intent, {}])
    with rabbit.connection() as connection:
        message = Message(body, content_type="application/json", content_encoding="utf-8", application_headers=headers)
        connection.channel().basic_publish(message, routing_key="feishu.intents")
    wait_until(lambda: "SUCCESS" in (stack.redis.get("celery-task-meta-plain-1") or ""), 20, "the result is there")


def test_a_worker_that_dies_gives_its_messages_back_and_lost_ones_are_made_again(stack, rabbit):
    stack.signal("submit", signal.SIGKILL)
    handles = stack.client.enqueue_many(
        {**CHANGE, "work_item_ids": [item], "after_field_value": "again"} for item in range(1031, 1036)
    )
    rabbit.purge()
    # Under a supervisor, as everywhere: a consumer that RabbitMQ gives nothing any more is ended by its watchdog, and started again.
    wait_until(lambda: stack.revive() or all(one.result() for one in handles), 100, "all have ended")
    assert {result.state for result in stack.wait_all(handles, 1)} == {"succeeded"}
    stack.assert_rules_kept()


def test_the_watchdog_sees_the_messages_that_wait(stack, rabbit):
    app = stack.own_app()
    with rabbit.connection() as connection:
        connection.channel().queue_declare("watched", durable=True, auto_delete=False)
    app.send_task("nobody.listens", queue="watched")
    seen = QueueLook(app, ["watched", *QueueName]).waiting()
    assert seen["watched"] == Waiting(1, consumers=0)
    assert {seen[str(queue)].consumers for queue in QueueName} == {1}


def test_a_queue_that_nobody_consumes_any_more_ends_its_worker_beside_other_work(stack):
    """Its other queue goes on, so that without a look at each of them nothing would seem wrong."""
    before = stack.pids()["intake"]
    stack.own_app().control.cancel_consumer("feishu.default", reply=True)

    def is_another():
        stack.revive()
        stack.client.enqueue(**CHANGE, work_item_ids=[1032], after_field_value="meanwhile")
        stack.own_app().send_task("feishu_batch.sweep", queue="feishu.default")
        return stack.pids()["intake"] != before

    wait_until(is_another, 60, "intake was started again")
    [line] = [one for one in stack.log_of("intake").splitlines() if "worker.stalled" in one]
    assert "feishu.default" in line
    assert "no consumers" in line
    assert "feishu.intents" not in line


def test_during_an_alarm_nothing_hangs_and_afterwards_work_goes_on(stack, rabbit):
    first = stack.client.enqueue(**CHANGE, work_item_ids=[1033], after_field_value="before")
    assert first.wait(60).state == "succeeded"
    with rabbit.alarm():
        time.sleep(1.5)
        began = time.monotonic()
        handles = [
            stack.client.enqueue(**CHANGE, work_item_ids=[1034 + n], after_field_value="in the alarm") for n in range(3)
        ]
        assert time.monotonic() - began < 6
        time.sleep(8)  # longer than a worker waits for an answer
    over_at = time.monotonic()
    wait_until(lambda: stack.revive() or all(one.result() for one in handles), 100, "all have ended")
    print(f"all had ended {time.monotonic() - over_at:.1f} s after the alarm")


def test_options_that_only_redis_has_are_left_out():
    options = celery_options(Settings(redis_url="redis://h/0", broker_url="amqp://h/"))
    assert options["broker_transport_options"] == {"confirm_publish": True, "read_timeout": 4, "write_timeout": 4}
    assert options["result_backend"] == "redis://h:6379/0"


def test_without_the_broker_enqueue_still_works(stack, rabbit):
    """The last test of the module: the broker does not come back."""
    rabbit.kill()
    began = fair_now()
    handle = stack.client.enqueue(**CHANGE, work_item_ids=[1041], after_field_value="kept")
    assert fair_now() - began < 5
    assert handle.state == "queued"
