"""A real sandbox and the commands that read it, with a corner of a real server."""

import json

import pytest
from click.testing import CliRunner

from tests.catalogue.conftest import asked, catalogue_of, sandbox, settings_of, shared_sandbox
from worker.cli.main import cli

__all__ = ["asked", "catalogue_of", "sandbox", "settings_of", "shared_sandbox"]  # fixtures


@pytest.fixture
def env_of(settings_of):
    def make(**more):
        settings = settings_of(**more)
        names = ("base_url", "plugin_id", "user_key", "key_prefix", "read_slots_per_second", "http_timeout_seconds")
        env = {f"FEISHU_BATCH_{name.upper()}": str(getattr(settings, name)) for name in names}
        return {**env, "FEISHU_BATCH_REDIS_URL": settings.effective_redis_url, "FEISHU_BATCH_PLUGIN_SECRET": "secret"}

    return make


@pytest.fixture
def run(env_of, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    def invoke(*args, **settings):
        return CliRunner(env=env_of(**settings)).invoke(cli, [str(arg) for arg in args], catch_exceptions=False)

    return invoke


@pytest.fixture
def diff(run):
    """The part of `plan --diff --json` about the cells."""

    def of(file, *args, exit_code=0, **settings):
        done = run("plan", file, "--diff", "--json", *args, **settings)
        assert done.exit_code == exit_code, done.output
        return json.loads(done.stdout)["diff"]

    return of
