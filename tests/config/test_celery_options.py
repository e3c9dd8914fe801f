"""Every option is one that Celery and kombu know, and the promises behind them hold."""

import json
import re
from itertools import pairwise
from pathlib import Path

import pytest
from celery import Celery
from celery.app.defaults import NAMESPACES, flatten
from kombu.transport.redis import Channel, Transport

import config.celery_options
from config.celery_options import celery_options
from config.routing import QUEUE_OF, QueueName, TaskName
from config.settings import Settings

# Read by celery/backends/redis.py, although missing from Celery's table of defaults.
UNDECLARED = {"redis_backend_health_check_interval"}


def options(**settings):
    return celery_options(Settings(redis_url="redis://:pw@127.0.0.1:1/0", **settings))


def app(**settings):
    made = Celery("test", set_as_current=False)
    made.conf.update(options(**settings))
    return made


def test_celery_knows_every_option():
    known = {name for name, _ in flatten(NAMESPACES)}
    assert set(options()) - known == UNDECLARED


def test_the_redis_backend_reads_the_undeclared_options():
    import celery.backends.redis as backend

    source = Path(backend.__file__).read_text()
    assert all(f"'{name}'" in source for name in UNDECLARED)


def test_kombu_knows_every_transport_option():
    assert set(options()["broker_transport_options"]) <= {*Channel.from_transport_options, *Transport.__dict__}


def test_every_option_has_a_reason_above_it_or_above_its_neighbour():
    lines = Path(config.celery_options.__file__).read_text().splitlines()
    option, reason = re.compile(r' {8}"\w+": '), re.compile(r' {8}(# |"\w+": |\*\*_)')
    without = [line.strip() for before, line in pairwise(lines) if option.match(line) and not reason.match(before)]
    assert without == []


@pytest.mark.parametrize("task", list(TaskName))
def test_every_task_has_its_queue(task):
    assert app().amqp.router.route({}, task)["queue"].name == QUEUE_OF[task]


def test_tasks_of_producers_do_not_land_in_our_queues():
    router = app(callback_queue="theirs").amqp.router
    assert router.route({}, "shop.tasks.on_done")["queue"].name == "theirs"
    assert router.route({"queue": "named"}, "shop.tasks.on_done")["queue"].name == "named"
    assert router.route({}, "celery.chord_unlock")["queue"].name == QueueName.DEFAULT


def test_queues_look_as_celery_would_make_them_for_a_producer():
    stranger = Celery("producer", set_as_current=False, broker="redis://h/0").amqp
    for name in QueueName:
        ours, theirs = app().amqp.queues[name], stranger.queues.new_missing(str(name))
        assert (ours.exchange.name, ours.exchange.type, ours.routing_key) == (
            theirs.exchange.name,
            theirs.exchange.type,
            theirs.routing_key,
        )


def test_another_key_prefix_shares_no_name_on_the_broker():
    """Whatever the options name: queues, exchanges, routes, what beat sends, and what workers hold."""
    usual, other = names_on_the_broker(options()), names_on_the_broker(options(key_prefix="other"))
    assert {"feishu.intents", "feishu.submit", "feishu.poll", "feishu.default", "celery", "unacked"} <= usual
    assert other == {f"{name}.other" for name in usual}


def names_on_the_broker(options):
    queues = {*options["task_queues"], options["task_default_queue"]}
    queues |= {route["queue"] for task, route in options["task_routes"].items() if task != "*"}  # producers' own tasks
    queues |= {entry["options"]["queue"] for entry in options["beat_schedule"].values()}
    held = {name for key, name in options["broker_transport_options"].items() if key.endswith("_key")}
    return queues | held | {options["control_exchange"], options["event_exchange"]}


def test_an_environment_of_another_app_does_not_redirect_the_broker(monkeypatch):
    monkeypatch.setenv("CELERY_BROKER_URL", "redis://elsewhere/9")
    ours = app()
    assert ours.connection_for_read().hostname == ours.connection_for_write().hostname == "127.0.0.1"


def test_no_step_outlives_its_message():
    assert options(http_timeout_seconds=100)["broker_transport_options"]["visibility_timeout"] == 300
    assert options()["broker_transport_options"]["visibility_timeout"] == 120


def test_results_live_as_long_as_the_ledger_keeps_them():
    made = options(retain_finished_days=1, retain_failed_days=2)
    assert (made["result_expires"], made["result_failure_expires"]) == (86400, 2 * 86400)


def test_ticks_expire():
    sweep = options(sweep_seconds=2)["beat_schedule"]["sweep"]
    assert sweep["task"] == TaskName.SWEEP
    assert sweep["schedule"] == 2
    assert 2 < sweep["options"]["expires"] <= 10


def test_the_backend_accepts_a_unix_socket():
    made = Celery("test", set_as_current=False)
    made.conf.update(celery_options(Settings(redis_url="unix://:pw@/run/r.sock?db=3")))
    parameters = made.backend.connparams
    assert (parameters["path"], parameters["db"], parameters["password"]) == ("/run/r.sock", 3, "pw")
    made.backend.connparams["connection_class"](
        **{k: v for k, v in parameters.items() if k not in {"connection_class", "max_connections"}}
    )


def test_options_are_plain_values():
    json.dumps(options())


def test_one_lane_has_celerys_rate_limit_as_a_second_belt_and_several_would_wait_for_one_another(tmp_path):
    name = "feishu_batch.submit_batch"
    assert options()["task_annotations"][name] == {"rate_limit": "1/s"}
    assert options(slot_seconds=2)["task_annotations"][name] == {"rate_limit": "0.5/s"}
    file = tmp_path / "lanes.toml"
    file.write_text("".join(f'[lanes.{n}]\nplugin_id = "{n}"\nplugin_secret = {{ env = "X" }}\n' for n in "ab"))
    assert options(lanes_file=file)["task_annotations"] == {}
