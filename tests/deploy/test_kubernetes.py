"""deploy/kubernetes: valid for the cluster versions in use, confined, secrets where they are needed, and every command starts as written."""

import re
from itertools import pairwise
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from click.testing import CliRunner

from config.explain import variable_name
from config.settings import Settings
from tests.support.model import intent
from tests.support.stack import Stack
from tests.support.waiting import Slowness, wait_until
from worker.cli.main import cli

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy/kubernetes"
VERSIONS = ("1.28", "1.31", "1.34")
ROLES = ("submit", "poll", "intake", "beat")


def kustomization():
    return yaml.safe_load((FOLDER / "kustomization.yaml").read_text())


def objects():
    return [
        one
        for file in kustomization()["resources"]
        for one in yaml.load_all((FOLDER / file).read_text(), yaml.CSafeLoader)
    ]


def workloads():
    return {one["metadata"]["name"]: one for one in objects() if one["kind"] in ("Deployment", "StatefulSet")}


def container(name):
    [only] = workloads()[name]["spec"]["template"]["spec"]["containers"]
    return only


def test_every_file_is_listed():
    listed = {*kustomization()["resources"], "kustomization.yaml", "settings.env"}
    assert {file.name for file in FOLDER.iterdir()} == listed


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("one", objects(), ids=lambda one: f"{one['kind']}-{one['metadata']['name']}")
def test_every_object_fits_the_schema(one, version):
    kubernetes_validate.validate(one, version, strict=True)


@pytest.mark.parametrize("name", ["redis", "dashboard", *ROLES])
def test_every_pod_is_confined_as_the_namespace_demands(name):
    spec = workloads()[name]["spec"]["template"]["spec"]
    own = container(name)["securityContext"]
    assert spec["securityContext"]["runAsNonRoot"]
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert own == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not spec["automountServiceAccountToken"]
    assert not spec["enableServiceLinks"]  # they would look like settings
    assert container(name)["resources"]["limits"]["memory"]


def test_credentials_go_to_those_who_need_them():
    having = {
        name
        for name in workloads()
        for source in container(name).get("envFrom", [])
        if source.get("secretRef", {}).get("name") == "feishu-batch-credentials"
    }
    assert having == {"submit", "poll", "intake"}


def test_no_secret_stands_in_a_file():
    assert [one for one in objects() if one["kind"] == "Secret"] == []
    for name in workloads():
        for variable in container(name).get("env", []):
            if re.search("PASSWORD|TOKEN|SECRET", variable["name"]):
                assert "valueFrom" in variable, variable


def test_every_variable_of_ours_is_a_setting():
    text = "".join(file.read_text() for file in FOLDER.iterdir())
    assert set(re.findall(r"FEISHU_BATCH_[A-Z_]*[A-Z]", text)) <= {
        variable_name(name) for name in Settings.model_fields
    }


def test_there_is_one_of_each_and_an_update_leaves_no_gap():
    for role in ROLES:
        spec = workloads()[role]["spec"]
        assert spec["replicas"] == 1
        assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
        assert spec["template"]["spec"]["terminationGracePeriodSeconds"] == 40
    assert workloads()["redis"]["spec"]["replicas"] == 1


@pytest.mark.parametrize("name", ["dashboard", *ROLES])
def test_commands_and_probes_are_ours(name):
    probes = [
        probe["exec"]["command"] for probe in container(name).values() if isinstance(probe, dict) and "exec" in probe
    ]
    for program, *arguments in (container(name)["command"], *probes):
        assert program == "feishu-batch"
        assert CliRunner().invoke(cli, [*arguments, "--help"]).exit_code == 0


def test_selectors_find_what_they_mean():
    for name, one in workloads().items():
        labels = one["spec"]["template"]["metadata"]["labels"]
        assert one["spec"]["selector"]["matchLabels"] == labels == {"app.kubernetes.io/name": name}
    services = {one["metadata"]["name"]: one["spec"]["selector"] for one in objects() if one["kind"] == "Service"}
    assert services == {name: {"app.kubernetes.io/name": name} for name in ("redis", "dashboard")}


# --- an update, with the processes themselves -------------------------------------------------------------------------

SLOT = 0.5  # seconds


@pytest.fixture
def stack(tmp_path):
    with Stack(tmp_path / "stack", sandbox={"window": SLOT, "job_median": SLOT}, slot_seconds=SLOT) as stack:
        yield stack


def test_during_an_update_of_the_submit_worker_no_second_slot_is_lost(stack):
    """A new one beside the old one, which is asked to end once the new one is there; as maxSurge 1 and maxUnavailable 0 have it."""
    slowness = Slowness()
    handles = stack.client.enqueue_many([intent([1050 + n], f"value {n}") for n in range(40)])
    wait_until(lambda: len(stack.batches()) > 5, 60, "the old one sends")
    stack.start_twin("submit")
    wait_until(lambda: len(stack.redis.smembers("_kombu.binding.celery.pidbox")) == 4, 60, "the new one is there")
    assert stack.end("submit", 40) == 0
    assert {result.state for result in stack.wait_all(handles)} == {"succeeded"}
    stack.assert_rules_kept()
    [told] = [one for one in stack.sandbox.report()["endpoints"] if one["endpoint"] == "batch_update"]
    arrived = sorted(told["accepted"])
    assert max(later - earlier for earlier, later in pairwise(arrived)) < 2.5 * SLOT * slowness()
