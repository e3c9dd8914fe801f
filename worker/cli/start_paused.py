"""Pausing lanes before the first request: `up --paused`, and `pause` while the embedded server is down."""

import contextlib
from collections.abc import Iterator

from config.settings import Settings, load_settings
from worker.operating.embedded_files import find_embedded_url
from worker.operating.session import Session, session_of, with_running_redis
from worker.processes.embedded import EmbeddedServer

BY_UP = "started with `up --paused`"


def pause_before_start(settings: Settings) -> list[str]:
    """Pauses all lanes of the settings before any worker runs; returns their names. A lane that is paused already keeps its reason."""
    with _redis_of(settings, is_new=True) as reachable:
        session = session_of(reachable)
        for lane in session.lanes.values():
            if lane.paused() is None:
                lane.pause(BY_UP, polling=True)
        session.redis.close()
        return list(session.lanes)


@contextlib.contextmanager
def session_even_if_down() -> Iterator[Session]:
    """As `open_session`; if the embedded server is down and has files, it runs during this block."""
    with _redis_of(load_settings()) as reachable:
        session = session_of(reachable)
        yield session
        session.redis.close()


@contextlib.contextmanager
def _redis_of(settings: Settings, *, is_new: bool = False) -> Iterator[Settings]:
    """`is_new`: whether a new embedded ledger may be created here."""
    if settings.redis_url is not None or find_embedded_url(settings.data_dir) is not None:
        yield with_running_redis(settings)
        return
    if not is_new and not (settings.data_dir / "embedded").is_dir():
        yield with_running_redis(settings)  # raises: there is no ledger
        return
    with EmbeddedServer(settings.data_dir) as server:
        yield settings.with_redis_url(server.url)
