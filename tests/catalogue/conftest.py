"""A real sandbox, and the catalogue of one lane over HTTP with its cache in a corner of a real server."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from redis import Redis

from config.lanes import load_lanes
from config.settings import Settings
from sandbox.process import SandboxProcess
from sandbox.world import DEMO_WORLD
from worker.catalogue.build import lane_catalogue
from worker.catalogue.lane_catalogue import LaneCatalogue
from worker.ledger.lane import Lane
from worker.ledger.token_store import RedisTokenStore
from worker.remote.tokens import TokenSource
from worker.runtime import remote_from

TWINS = [
    {"field_key": f"field_00000{n}", "field_name": "Reviewer", "field_type_key": "user", "types": ["story"]}
    for n in "123"
]


def world_with_twins() -> dict:
    world = json.loads(DEMO_WORLD.read_text())
    world["projects"][0]["fields"] += TWINS
    return world


@pytest.fixture(scope="session")
def shared_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    world = tmp_path_factory.mktemp("world") / "world.json"
    world.write_text(json.dumps(world_with_twins()))
    with SandboxProcess(world=Path(world), window=0.05, job_median=0.01, seed=1) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(shared_sandbox: SandboxProcess) -> Iterator[SandboxProcess]:
    shared_sandbox.reset()
    yield shared_sandbox
    shared_sandbox.clear_faults()


@pytest.fixture
def settings_of(redis_url: str, prefix: str, sandbox: SandboxProcess) -> Callable[..., Settings]:
    def make(**more: object) -> Settings:
        given = {
            "base_url": sandbox.base_url,
            "redis_url": redis_url,
            "key_prefix": prefix,
            "plugin_id": "plugin",
            "plugin_secret": "secret",
            "user_key": "7300000000000000001",
            "http_timeout_seconds": 2,
            "read_slots_per_second": 200,
            "catalogue_wait_seconds": 1.5,
            "catalogue_retry_seconds": 0.3,
            "catalogue_recheck_seconds": 0.2,
        }
        return Settings(**{**given, **more})

    return make


@pytest.fixture
def catalogue_of(redis: Redis, settings_of: Callable[..., Settings]) -> Callable[..., LaneCatalogue]:
    """One process's catalogue; called again, it is another process's."""

    def make(**more: object) -> LaneCatalogue:
        settings = settings_of(**more)
        [config] = load_lanes(settings).lanes
        lane = Lane(redis, settings.key_prefix, config.name)
        remote = remote_from(config, settings)
        tokens = TokenSource(remote, RedisTokenStore(redis, lane.keys, config.fingerprint))
        return lane_catalogue(lane, remote, tokens, settings, redis)

    return make


@pytest.fixture
def asked(sandbox: SandboxProcess) -> Callable[[str], int]:
    """How often an endpoint was answered, in whatever way."""

    def count(endpoint: str) -> int:
        answers = sandbox.report()["answers"]
        return sum(n for name, n in answers.items() if name.startswith(f"{endpoint}:"))

    return count
