"""The built wheels alone, outside of the repository, in a directory whose folders are named like ours."""

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from uuid import uuid4

import pytest

from tests.support.marked import MARK, descendants
from tests.support.waiting import PATIENCE

ROOT = Path(__file__).parents[2]


def pip(*arguments):
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *map(str, arguments)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert run.returncode == 0, run.stderr


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """`feishu-batch` of an environment of its own. The third-party packages are those of this run, to save the download."""
    folder = tmp_path_factory.mktemp("installed")
    pip("wheel", "--no-deps", "--wheel-dir", folder, ROOT, ROOT / "client")
    environment = folder / "venv"
    venv.create(environment, with_pip=False, symlinks=True)
    (packages,) = environment.glob("lib/python*/site-packages")
    (packages / "third_party.pth").write_text(sysconfig.get_path("purelib"))
    wheels = list(folder.glob("*.whl"))
    pip("--python", environment / "bin/python", "install", "--no-deps", "--no-index", "--force-reinstall", *wheels)
    return environment / "bin/feishu-batch"


@pytest.fixture
def someone_elses(tmp_path):
    for name in ("config", "worker", "tasks", "sandbox", "feishu_batch", "celery"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(
            "raise SystemExit('a package of the working directory was imported')\n"
        )
    return tmp_path


def run(program, folder, *arguments, timeout=PATIENCE, **more):
    others = {
        name: value for name, value in os.environ.items() if not name.startswith(("FEISHU_", "CELERY_", "PYTHON"))
    }
    return subprocess.run(
        [program, *arguments],
        cwd=folder,
        env={**others, **more},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


@pytest.mark.timeout(500)
def test_the_demonstration_goes_as_it_should_and_leaves_nothing(program, someone_elses, tmp_path_factory):
    """Settings of a real deployment do not get into it."""
    temporary, mark = tmp_path_factory.mktemp("temporary"), str(uuid4())
    before = set(someone_elses.rglob("*"))
    more = {MARK: mark, "TMPDIR": str(temporary), "FEISHU_BATCH_BASE_URL": "https://example.invalid"}
    done = run(program, someone_elses, "demo", timeout=400, **more, FEISHU_BATCH_REDIS_URL="redis://127.0.0.1:1/0")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert "All as expected" in done.stdout
    assert "5 cells written, 1 unchanged." in done.stdout
    assert "4 values put back; 1 skipped" in done.stdout
    assert not descendants(mark)
    assert list(temporary.iterdir()) == []
    assert set(someone_elses.rglob("*")) == before


@pytest.mark.parametrize(
    "arguments", [["status"], ["doctor"], ["plan", "x.csv"], ["sandbox", "--help"], ["up", "--help"]]
)
def test_no_command_imports_what_is_in_the_working_directory(program, someone_elses, arguments):
    done = run(program, someone_elses, *arguments)
    assert "working directory was imported" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
