"""Lanes that stand still before the first request: `up --paused`, and `pause` on an embedded ledger that is down."""

import contextlib
from collections.abc import Iterator

from config.settings import Settings, load_settings
from worker.cli.session import Session, session_of, with_running_redis
from worker.processes.embedded import EmbeddedServer, find_embedded_url

BY_UP = "started with `up --paused`"


def pause_before_start(settings: Settings) -> list[str]:
    """Pauses all lanes of the settings, before any worker runs. A lane that stands still already keeps its reason. Returns their names."""
    with _redis_of(settings, is_new=True) as reachable:
        session = session_of(reachable)
        for lane in session.lanes.values():
            if lane.paused() is None:
                lane.pause(BY_UP, polling=True)
        session.redis.close()
        return list(session.lanes)


@contextlib.contextmanager
def session_even_if_down() -> Iterator[Session]:
    """As `open_session`; where the embedded server is down and has files, it runs for as long as this takes."""
    with _redis_of(load_settings()) as reachable:
        session = session_of(reachable)
        yield session
        session.redis.close()


@contextlib.contextmanager
def _redis_of(settings: Settings, *, is_new: bool = False) -> Iterator[Settings]:
    """`is_new`: whether an embedded ledger may begin here."""
    if settings.redis_url is not None or find_embedded_url(settings.data_dir) is not None:
        yield with_running_redis(settings)
        return
    if not is_new and not (settings.data_dir / "embedded").is_dir():
        yield with_running_redis(settings)  # says that there is nothing
        return
    with EmbeddedServer(settings.data_dir) as server:
        yield settings.with_redis_url(server.url)
