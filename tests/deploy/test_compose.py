"""docker-compose.yml: Debian's docker-compose accepts it, it keeps its promises, and every command in it starts."""

import json
import re
import signal
import subprocess
import urllib.error
import urllib.request

import pytest
import yaml

from config.explain import variable_name
from config.settings import Settings
from feishu_batch import FeishuBatch
from tests.deploy.compose_file import ROOT, SECRETS, Containers, compose_config, services
from tests.support.programs import require
from tests.support.waiting import PATIENCE, wait_until

OURS = ("submit", "poll", "intake", "beat", "dashboard", "flower")
MONITORING = ("prometheus", "grafana")
CREDENTIALS = {"FEISHU_BATCH_PLUGIN_ID", "FEISHU_BATCH_PLUGIN_SECRET"}
INTENT = {
    "project_key": "5f0c1a2b3c4d5e6f70818283",
    "work_item_type_key": "story",
    "field_key": "field_a1b2c3",
    "update_mode": "UPDATE",
}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """As an operator with an account has it."""
    require("docker-compose")
    credentials = {**dict.fromkeys(CREDENTIALS, "secret"), "FEISHU_BATCH_USER_KEY": "7300000000000000001"}
    return services(tmp_path_factory.mktemp("config"), {**SECRETS, **credentials})


@pytest.mark.parametrize("missing", SECRETS)
def test_a_missing_secret_is_named_and_has_no_default(tmp_path, missing):
    require("docker-compose")
    told = compose_config(tmp_path, {name: value for name, value in SECRETS.items() if name != missing}, "--quiet")
    assert told.returncode != 0
    assert f"set {missing} in .env" in told.stderr


def test_the_example_environment_and_the_three_secrets_are_enough(tmp_path):
    require("docker-compose")
    lines = (line.partition("=") for line in (ROOT / ".env.example").read_text().splitlines() if line[:1].isalpha())
    told = compose_config(tmp_path, {**{name: value for name, _, value in lines}, **SECRETS}, "--quiet")
    assert (told.returncode, told.stderr) == (0, "")


def test_nothing_is_open_to_others(written):
    published = {port for service in written.values() for port in service.get("ports", [])}
    assert {str(port).rpartition(":")[0].partition(":")[0] for port in published} == {"127.0.0.1"}
    open_here = {"dashboard", "flower", "sandbox", "prometheus", "grafana"}
    assert {name for name, service in written.items() if service.get("ports")} == open_here


@pytest.mark.parametrize("name", ["redis", *OURS, *MONITORING, "sandbox", "sandbox-workers", "demo"])
def test_every_container_is_confined(written, name):
    service = written[name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service


@pytest.mark.parametrize("name", ["redis", *OURS, *MONITORING, "sandbox", "sandbox-workers"])
def test_every_service_has_a_health_check_and_is_restarted(written, name):
    assert written[name]["healthcheck"]["test"]
    assert written[name]["restart"] == "unless-stopped"


def test_workers_wait_for_redis_and_get_the_time_to_finish(written):
    for name in OURS:
        assert written[name]["depends_on"] == {"redis": {"condition": "service_healthy"}}
        assert written[name]["stop_grace_period"] == "40s"


def test_there_is_one_submit_worker(written):
    assert written["submit"]["deploy"]["replicas"] == written["intake"]["deploy"]["replicas"] == 1
    assert written["submit"]["command"] == ["feishu-batch", "run", "submit"]


def holders(written, secret):
    """The services in whose environment it stands, alone or inside a URL."""
    return {name for name, one in written.items() if any(secret in str(v) for v in one.get("environment", {}).values())}


def test_each_service_is_given_its_own_secrets_only(written):
    assert holders(written, "secret") - {"sandbox-workers"} == {"submit", "poll", "intake"}
    assert holders(written, SECRETS["FLOWER_PASSWORD"]) == {"flower"}
    assert holders(written, SECRETS["FEISHU_BATCH_DASHBOARD_TOKEN"]) == {"dashboard", "prometheus", "sandbox-workers"}
    assert holders(written, SECRETS["REDIS_PASSWORD"]) == {"redis", *OURS, "sandbox-workers"}
    variables = {name for name in OURS if written[name]["environment"].get("REDIS_PASSWORD")}
    assert variables == set()


def test_an_app_finds_redis_by_a_network_and_a_name_that_stay(tmp_path, written):
    assert written["redis"]["networks"]["ledger"]["aliases"] == ["feishu-batch-redis"]
    told = yaml.safe_load(compose_config(tmp_path, SECRETS).stdout)
    assert told["networks"]["ledger"] == {"internal": True, "name": "feishu-batch-ledger"}


def test_with_an_external_redis_every_service_gets_out_to_it(tmp_path):
    require("docker-compose")
    url = "rediss://feishu:p4ss@redis.example:6380/0"
    merged = services(tmp_path, {**SECRETS, "FEISHU_BATCH_REDIS_URL": url}, "external-redis.yml")
    for name in OURS:
        assert merged[name]["environment"]["FEISHU_BATCH_REDIS_URL"] == url
        assert "outside" in merged[name]["networks"]


def test_an_external_redis_must_be_named(tmp_path):
    require("docker-compose")
    told = compose_config(tmp_path, SECRETS, "--quiet", override="external-redis.yml")
    assert told.returncode != 0
    assert "set FEISHU_BATCH_REDIS_URL in .env" in told.stderr


def test_with_several_lanes_every_service_knows_them_and_senders_have_the_secrets(tmp_path):
    require("docker-compose")
    merged = services(tmp_path, SECRETS, "lanes.yml")
    mounted = {name: {volume.split(":")[1] for volume in merged[name]["volumes"]} for name in OURS}
    assert {merged[name]["environment"]["FEISHU_BATCH_LANES_FILE"] for name in OURS} == {"/etc/feishu-batch/lanes.toml"}
    assert all("/etc/feishu-batch/lanes.toml" in volumes for volumes in mounted.values())
    assert {name for name, volumes in mounted.items() if "/run/secrets" in volumes} == {"submit", "poll", "intake"}


def test_every_variable_of_ours_is_a_setting():
    named = set(re.findall(r"FEISHU_BATCH_[A-Z_]*[A-Z]", (ROOT / "docker-compose.yml").read_text()))
    assert named <= {variable_name(name) for name in Settings.model_fields}


def test_no_registry_but_the_default_one_is_named(written):
    images = {service["image"].partition(":")[0] for service in written.values()}
    assert images == {"feishu-batch", "redis", "prom/prometheus", "grafana/grafana"}


# --- as processes of this machine -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    """Everything of the profile `live`, against the sandbox of the profile `sandbox`."""
    require("docker-compose", "redis-server", "redis-cli")
    directory = tmp_path_factory.mktemp("live")
    settings = {
        "FEISHU_BATCH_BASE_URL": "http://127.0.0.1:8765",
        "FEISHU_BATCH_PLUGIN_ID": "plugin",
        "FEISHU_BATCH_PLUGIN_SECRET": "secret",
        "FEISHU_BATCH_USER_KEY": "7300000000000000001",
        "FEISHU_BATCH_STALL_SECONDS": "2",
        "FEISHU_BATCH_REDIS_TIMEOUT_SECONDS": "1",
        "FEISHU_BATCH_SWEEP_SECONDS": "0.5",
    }
    with Containers(directory, services(directory, {**SECRETS, **settings})) as containers:
        for name in ("redis", "sandbox"):
            containers.start(name)
        containers.wait_healthy("redis", "sandbox")
        for name in OURS:
            containers.start(name)
        containers.wait_healthy(*OURS)
        yield containers


def ask_sandbox(containers, method, content):
    request = urllib.request.Request(f"http://127.0.0.1:{containers.port('8765')}/_sandbox/faults", method=method)
    urllib.request.urlopen(request, json.dumps(content).encode(), timeout=10).close()


def client_of(containers):
    return FeishuBatch(containers.environment("submit")["FEISHU_BATCH_REDIS_URL"], timeout=5)


def test_an_intent_is_applied(live):
    with client_of(live) as client:
        handle = client.enqueue(**INTENT, work_item_ids=[1021, 1022], after_field_value="in containers")
        assert handle.wait(timeout=PATIENCE).state == "succeeded"


def test_redis_keeps_its_settings_and_wants_the_password(live):
    with client_of(live) as client:
        redis = client._links.inbox._redis
        told = {name: redis.config_get(name)[name] for name in ("appendonly", "appendfsync", "maxmemory-policy")}
    assert told == {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}
    asked = subprocess.run(
        ["redis-cli", "-p", live.port("6379"), "ping"], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert "NOAUTH" in asked.stdout + asked.stderr


def test_the_pages_want_their_passwords(live):
    for port, path in (("8650", "/api/session"), ("5555", "/")):
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"http://127.0.0.1:{live.port(port)}{path}", timeout=10)
        assert refused.value.code in {401, 403}


def test_prometheus_is_answered_by_the_name_and_the_token_that_it_is_given(live, written):
    config = yaml.safe_load((ROOT / "deploy/compose/monitoring/prometheus.yml").read_text())
    [job] = config["scrape_configs"]
    [target] = job["static_configs"][0]["targets"]
    token = written["prometheus"]["environment"]["DASHBOARD_TOKEN"]
    assert "/tmp/token" in written["prometheus"]["command"][0]
    assert job["authorization"] == {"credentials_file": "/tmp/token"}
    headers = {"Host": target, "Authorization": f"Bearer {token}"}
    request = urllib.request.Request(f"http://127.0.0.1:{live.port('8650')}/metrics", headers=headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert b"feishu_batch_open_intents" in answer.read()


def test_what_is_mounted_for_monitoring_is_there():
    mounted = re.findall(r"^ *- \./(deploy/[^:]+):", (ROOT / "docker-compose.yml").read_text(), re.MULTILINE)
    assert len(mounted) == 4
    assert [path for path in mounted if not (ROOT / path).exists()] == []


def test_no_secret_is_an_argument(live):
    shown = "\n".join(live.arguments())
    assert "--queues=feishu.submit" in shown
    assert [secret for secret in SECRETS.values() if secret in shown] == []


@pytest.mark.parametrize("name", ["submit", "poll", "intake"])
def test_a_worker_that_is_stalled_is_unhealthy_until_it_continues(live, name):
    live.signal(name, signal.SIGSTOP)
    try:
        live.await_health(lambda: not live.is_healthy(name), f"{name} is unhealthy")
        assert f"{name}: the worker has recorded no state for" in live.health(name).stdout
    finally:
        live.signal(name, signal.SIGCONT)
    live.wait_healthy(name)


def test_a_worker_ends_when_it_is_asked_to(live):
    assert live.stop("poll", timeout=20) == 0
    live.start("poll")
    live.wait_healthy("poll")


def test_a_worker_that_waits_for_an_answer_ends_in_time_and_its_successor_finishes(live, written):
    """It gives up by itself after HTTP_TIMEOUT_SECONDS, before it would be killed."""
    ask_sandbox(live, "POST", {"faults": ["batch_update:hang_after=1x"]})
    with client_of(live) as client:
        handle = client.enqueue(**INTENT, work_item_ids=[1023], after_field_value="under way")
        wait_until(lambda: handle.progress.in_flight, 20, "the request is under way")
        assert live.stop("submit", timeout=float(written["submit"]["stop_grace_period"].rstrip("s"))) == 0
        live.start("submit")
        assert handle.wait(timeout=PATIENCE).state == "succeeded"
    live.wait_healthy("submit")


def test_an_upgrade_in_the_documented_order_loses_nothing(live):
    page = (ROOT / "docs/deployment.md").read_text()
    order = re.search(r"--profile live stop ([a-z ]+?) &&", page)[1].split()
    assert sorted(order) == ["beat", "intake", "poll", "submit"]
    with client_of(live) as client:
        intents = [{**INTENT, "work_item_ids": [item], "after_field_value": f"v{item}"} for item in range(1101, 1109)]
        handles = client.enqueue_many(intents[:4])
        assert [live.stop(name, timeout=30) for name in order] == [0] * 4
        handles += client.enqueue_many(intents[4:])  # nobody is there
        for name in order:
            live.start(name)
        assert {handle.wait(timeout=PATIENCE).state for handle in handles} == {"succeeded"}
    live.wait_healthy(*order)


def test_doctor_finds_everything_well(live):
    told = live.run("submit", "feishu-batch", "doctor")
    assert told.returncode == 0, told.stdout


def test_without_the_ledger_nothing_is_healthy(live):
    live.signal("redis", signal.SIGSTOP)
    try:
        live.await_health(
            lambda: not any(map(live.is_healthy, ("submit", "poll", "intake", "beat"))), "none is healthy"
        )
    finally:
        live.signal("redis", signal.SIGCONT)


@pytest.fixture
def rehearsal(tmp_path):
    """The profile `sandbox`, with nothing but the three secrets of the compose file."""
    require("docker-compose", "redis-server", "redis-cli")
    with Containers(tmp_path, services(tmp_path, SECRETS)) as containers:
        for name in ("redis", "sandbox"):
            containers.start(name)
        containers.wait_healthy("redis", "sandbox")
        containers.start("sandbox-workers")
        yield containers


def test_the_sandbox_profile_needs_no_account(rehearsal):
    environment = rehearsal.environment("sandbox-workers")
    command = ["feishu-batch", "enqueue", "--project-key", INTENT["project_key"], "--type", "story", "--items", "1021"]
    done = subprocess.run(
        [*command, "--field", INTENT["field_key"], "--after", "rehearsed", "--wait"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rehearsal.wait_healthy("sandbox-workers")
    assert rehearsal.stop("sandbox-workers", timeout=40) == 0
