"""The Dockerfile says what it should, and what it copies is enough to install the worker from."""

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml

from feishu_batch import __version__
from tests.support.waiting import PATIENCE

ROOT = Path(__file__).parents[2]
TEXT = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text())
LINES = [line for line in TEXT.splitlines() if line and not line.startswith("#")]
STAGES = "\n".join(LINES).split("\nFROM ")
BUILD, FINAL = STAGES[1].splitlines(), STAGES[2].splitlines()


def said(lines, instruction):
    return [line.partition(" ")[2].strip() for line in lines if line.split()[0] == instruction]


def copied():
    """(source, target) of what comes from the repository."""
    for arguments in said(BUILD, "COPY"):
        *sources, target = arguments.split()
        for source in sources:
            yield source.rstrip("/"), target


def test_it_runs_as_an_ordinary_user():
    assert said(FINAL, "USER") == ["10001:10001"]


def test_it_is_stopped_gently_and_looked_after():
    assert said(FINAL, "STOPSIGNAL") == ["SIGTERM"]
    [check] = said(FINAL, "HEALTHCHECK")
    assert check.endswith('CMD ["feishu-batch", "health"]')
    assert said(FINAL, "CMD") == ['["feishu-batch", "up"]']


def test_both_stages_are_the_slim_default_image():
    assert [stage.splitlines()[0] for stage in STAGES[1:]] == [
        "python:${PYTHON}-slim AS build",
        "python:${PYTHON}-slim",
    ]
    assert LINES[0] == "ARG PYTHON=3.12"


def test_nothing_but_the_installation_reaches_the_image():
    assert said(FINAL, "COPY") == ["--from=build /opt/feishu-batch /opt/feishu-batch"]
    assert said(FINAL, "ADD") == said(BUILD, "ADD") == []


def test_no_secret_is_an_argument_or_a_variable():
    given = " ".join(said(BUILD, "ARG") + said(FINAL, "ARG") + said(BUILD, "ENV") + said(FINAL, "ENV"))
    assert not re.search(r"SECRET|TOKEN|PASSWORD", given)


def test_what_may_be_written_is_the_data_directory():
    assert said(FINAL, "VOLUME") == said(FINAL, "WORKDIR") == ["/var/lib/feishu-batch"]
    assert "FEISHU_BATCH_DATA_DIR=/var/lib/feishu-batch" in " ".join(said(FINAL, "ENV"))


def test_versions_are_the_pinned_ones():
    [*_, install] = said(BUILD, "RUN")
    assert 'pip install --constraint constraints.txt ./client ".[${EXTRAS}]"' in install
    assert "EXTRAS=flower" in said(BUILD, "ARG")


def test_it_has_labels():
    labels = re.findall(r"org\.opencontainers\.image\.(\w+)=", TEXT)
    assert labels == ["title", "description", "version", "revision"]


def test_there_is_one_version():
    places = {
        "Dockerfile": next(one.partition("=")[2] for one in said(FINAL, "ARG") if one.startswith("VERSION")),
        "kustomization.yaml": yaml.safe_load((ROOT / "deploy/kubernetes/kustomization.yaml").read_text())["images"][0][
            "newTag"
        ],
        "CHANGELOG.md": re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[1],
    }
    assert places == dict.fromkeys(places, __version__)
    for name in ("pyproject.toml", "client/pyproject.toml"):
        assert tomllib.loads((ROOT / name).read_text())["project"]["dynamic"] == ["version"]


def test_the_context_holds_what_is_copied_and_no_more():
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    allowed = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    assert rules[0] == "*"
    assert {source for source, _ in copied()} == allowed
    assert [source for source, _ in copied() if not (ROOT / source).exists()] == []


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The wheel that pip makes from exactly what is copied."""
    directory = tmp_path_factory.mktemp("image")
    ignored = [
        line.removeprefix("**/") for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("**/")
    ]
    for source, target in copied():
        place = directory / (source if target in ("./", f"{source}/") else target)
        place.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, place, ignore=shutil.ignore_patterns(*ignored))
        else:
            shutil.copy(ROOT / source, place)
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--wheel-dir",
        directory / "out",
        directory,
    ]
    run = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert run.returncode == 0, run.stderr
    [wheel] = (directory / "out").glob("*.whl")
    return set(zipfile.ZipFile(wheel).namelist())


def test_the_image_has_every_file_of_the_packages(installed):
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    packages = [name for name in listed.splitlines() if name.split("/")[0] in {"config", "worker", "tasks", "sandbox"}]
    if not packages:
        pytest.skip("not a git checkout")
    assert [name for name in packages if (ROOT / name).exists() and name not in installed] == []
    for pattern in (
        "worker/ledger/lua/*.lua",
        "worker/web/static/*",
        "sandbox/worlds/demo.json",
        "worker/cli/sprint.csv",
    ):
        assert any(fnmatch(name, pattern) for name in installed), pattern
