"""What the commands work with: settings, Redis, and the ledger's halves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from redis import Redis
from redis.exceptions import AuthenticationError, BusyLoadingError, RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from config.lanes import lane_names
from config.settings import ENV_PREFIX, Settings, load_settings
from config.urls import masked_url
from feishu_batch import FeishuBatch
from feishu_batch.redis_trouble import explain, first_line, reason_of
from worker.cli.errors import UnreachableError, WrongUseError
from worker.connections import connect, producer
from worker.ledger.front import Front
from worker.ledger.lane import Lane
from worker.ledger.reading import Reading
from worker.processes.embedded import find_embedded_url
from worker.processes.redis_checks import Finding, refusal


@dataclass(frozen=True, slots=True)
class Session:
    settings: Settings
    redis: Redis
    front: Front
    lanes: Mapping[str, Lane]
    reading: Reading

    def chosen_lanes(self, name: str | None) -> list[Lane]:
        """The lane of that name, or all of them."""
        if name is None:
            return list(self.lanes.values())
        if name not in self.lanes:
            raise WrongUseError(f"no lane is named {name!r}; there are: {', '.join(self.lanes)}")
        return [self.lanes[name]]

    def lane(self, name: str) -> Lane:
        """Also one that the settings do not name any more."""
        return self.lanes.get(name) or Lane(self.redis, self.settings.key_prefix, name)

    def client(self) -> FeishuBatch:
        return producer(self.settings)


def open_session() -> Session:
    """From the environment; needs Redis only, no credentials. Raises `UnreachableError` if Redis does not answer."""
    return session_of(with_running_redis(load_settings()))


def session_of(settings: Settings) -> Session:
    session = unchecked_session(settings)
    check_redis(settings, session.redis)
    return session


def unchecked_session(settings: Settings) -> Session:
    """For whoever goes on without Redis until it answers."""
    redis = connect(settings)
    prefix = settings.key_prefix
    lanes = {name: Lane(redis, prefix, name) for name in lane_names(settings)}
    return Session(settings, redis, Front(redis, prefix), lanes, Reading(redis, prefix))


def with_running_redis(settings: Settings) -> Settings:
    """The same settings with the URL of the embedded server that `feishu-batch up` runs, where no Redis is named."""
    if settings.redis_url is not None:
        return settings
    url = find_embedded_url(settings.data_dir)
    if url is None:
        raise UnreachableError(
            f"no Redis: {ENV_PREFIX}REDIS_URL is not set, and no embedded server runs with its files in"
            f" {settings.data_dir.absolute()}; start `feishu-batch up` or set {ENV_PREFIX}REDIS_URL"
        )
    return settings.with_redis_url(url)


def check_redis(settings: Settings, redis: Redis) -> None:
    try:
        redis.ping()
    except RedisError as error:
        where = masked_url(settings.effective_redis_url)
        raise UnreachableError(f"Redis at {where} {_trouble(error)}; check {ENV_PREFIX}REDIS_URL") from None


def refuse_unusable(settings: Settings, found: Sequence[Finding]) -> None:
    """Raises `UnreachableError` where nothing can work with this Redis."""
    if why := refusal(found):
        raise UnreachableError(f"Redis at {masked_url(settings.effective_redis_url)} cannot be used. {why}")


def _trouble(error: RedisError) -> str:
    why = explain(error, f"{ENV_PREFIX}REDIS_URL")
    if type(error) is AuthenticationError and why and "user or password" in why:
        return "refuses the user or password"
    if isinstance(error, BusyLoadingError):
        return "is still loading its data"
    if why:
        return f"cannot be used: {why}"
    if isinstance(error, ResponseError):
        return f"refuses commands ({first_line(error)})"
    if isinstance(error, RedisTimeoutError):
        return "does not answer in time"
    return f"cannot be reached ({reason_of(error)})"
