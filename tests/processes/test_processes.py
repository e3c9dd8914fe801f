"""What `up` starts."""

import os
import sys
from pathlib import Path

import pytest

from config.routing import QUEUE_OF, QueueName
from config.settings import Settings, load_settings
from worker.processes.roles import worker_children


@pytest.fixture
def children():
    settings = Settings(redis_url="redis://:s3cr3t@h/0", plugin_secret="s3cr3t", data_dir=Path("relative"))
    return {child.name: child for child in worker_children(settings, sys.executable)}


def queues(child):
    [option] = [argument for argument in child.argv if argument.startswith("--queues=")]
    return option.removeprefix("--queues=").split(",")


def test_every_queue_has_exactly_one_worker(children):
    served = [queue for child in children.values() if child.name != "beat" for queue in queues(child)]
    assert sorted(served) == sorted(QueueName)
    assert set(QUEUE_OF.values()) <= set(served)


def test_the_submitter_does_nothing_else(children):
    assert queues(children["submit"]) == [QueueName.SUBMIT]
    assert "--concurrency=1" in children["submit"].argv


def test_nodes_have_names_of_their_own(children):
    names = [argument for child in children.values() for argument in child.argv if argument.startswith("--hostname=")]
    assert len(set(names)) == len(names) == 3
    assert all(f".{os.getpid()}@%h" in name for name in names)


def test_secrets_are_in_the_environment_and_nowhere_else(children):
    for child in children.values():
        assert "s3cr3t" not in repr(child)
        assert load_settings(child.env).effective_redis_url == "redis://:s3cr3t@h/0"


def test_children_run_in_the_data_directory_with_absolute_paths(children):
    for child in children.values():
        assert child.cwd == Path("relative").absolute()
        assert load_settings(child.env).data_dir == child.cwd


def test_the_file_of_schedules_in_our_working_directory_is_that_of_the_children(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    (tmp_path / "config/schedule.toml").touch()
    for child in worker_children(Settings(redis_url="redis://h/0", data_dir=tmp_path / "data"), sys.executable):
        assert load_settings(child.env).schedule_file == tmp_path / "config/schedule.toml"
