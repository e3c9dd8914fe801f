"""A backend app has its own `tasks` and `config`: it must get ours never, and still be able to enqueue."""

import json
import subprocess
import sys
import sysconfig
import venv
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest
from redis import Redis

from feishu_batch import __version__
from feishu_batch.keys import InboxKeys
from tests.support.waiting import PATIENCE

CLIENT = Path(__file__).parents[2] / "client"

APP = """
import importlib.util, json, sys
import tasks, config
from feishu_batch import FeishuBatch
import feishu_batch

with FeishuBatch(sys.argv[1], key_prefix=sys.argv[2]) as client:
    handle = client.enqueue(
        project_key="5f0c1a2b3c4d5e6f70818283", work_item_type_key="story", work_item_ids=[101],
        field_key="priority", update_mode="UPDATE", after_field_value={"value": "p0"},
    )
    print(json.dumps({
        "tasks": tasks.WHOSE, "config": config.WHOSE, "state": handle.state,
        "library": feishu_batch.__file__, "version": feishu_batch.__version__,
        "ours": [name for name in ("worker", "sandbox") if importlib.util.find_spec(name)],
        "heavy": [name for name in ("httpx", "structlog", "starlette", "rich") if name in sys.modules],
    }))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-deps", "--wheel-dir", directory, CLIENT)
    (built,) = directory.glob("feishu_batch-*.whl")
    return built


@pytest.fixture(scope="module")
def backend(tmp_path_factory, wheel) -> Path:
    """An app in an environment of its own. The third-party packages are those of this run, to save the download."""
    app = tmp_path_factory.mktemp("backend")
    environment = app / "venv"
    venv.create(environment, with_pip=False, symlinks=True)
    (packages,) = environment.glob("lib/python*/site-packages")
    # A directory that a .pth file names is searched, but its own .pth files are not read: our editable installations,
    # which are such files, stay out.
    (packages / "third_party.pth").write_text(sysconfig.get_path("purelib"))
    pip("--python", environment / "bin" / "python", "install", "--no-deps", "--no-index", "--force-reinstall", wheel)
    (app / "tasks.py").write_text("WHOSE = 'the backend'\n")
    (app / "config").mkdir()
    (app / "config" / "__init__.py").write_text("WHOSE = 'the backend'\n")
    (app / "app.py").write_text(APP)
    return app


def pip(*arguments) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *map(str, arguments)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert run.returncode == 0, run.stderr


def test_the_wheel_holds_the_library_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"feishu_batch"}
    assert {"feishu_batch/lua/enqueue.lua", "feishu_batch/py.typed"} <= set(names)


def test_the_wheel_asks_for_celery_and_pydantic_only(wheel):
    with zipfile.ZipFile(wheel) as content:
        (metadata,) = (name for name in content.namelist() if name.endswith("/METADATA"))
        fields = Parser().parsestr(content.read(metadata).decode())
    assert sorted(need.split("<")[0].split(">")[0] for need in fields.get_all("Requires-Dist")) == [
        "celery[redis]",
        "pydantic",
    ]
    assert fields.get_payload().startswith("# feishu-batch")


def test_a_backend_app_keeps_its_own_modules_and_can_enqueue(backend, redis_url, prefix):
    program = [backend / "venv" / "bin" / "python", "-W", "error", backend / "app.py", redis_url, prefix]
    run = subprocess.run(program, capture_output=True, text=True, timeout=PATIENCE, check=False, env={}, cwd="/")
    assert run.returncode == 0, run.stderr
    seen = json.loads(run.stdout)
    assert seen.pop("library").startswith(str(backend))
    assert seen == {
        "tasks": "the backend",
        "config": "the backend",
        "state": "queued",
        "version": __version__,
        "ours": [],
        "heavy": [],
    }
    with Redis.from_url(redis_url) as redis:
        assert redis.xlen(InboxKeys(prefix).inbox) == 1
