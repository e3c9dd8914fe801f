"""What the commands work with: settings, Redis, and access to the ledger."""

import getpass
import os
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from redis import Redis
from redis.exceptions import AuthenticationError, BusyLoadingError, RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from config.lanes import lane_names
from config.lookups import time_zone
from config.settings import ENV_PREFIX, Settings, load_settings
from config.urls import masked_url
from feishu_batch import FeishuBatch
from feishu_batch.broker import Broker
from feishu_batch.inbox import InboxWriter
from feishu_batch.intents import LONGEST_PRODUCER
from feishu_batch.redis_trouble import explain, first_line, reason_of
from worker.connections import OtherFormatError, connect, producer
from worker.ledger.conditional_inbox import ConditionalInbox
from worker.ledger.inbox import Inbox
from worker.ledger.keys import LaneKeys
from worker.ledger.lane import Lane
from worker.ledger.reads.ledger import LedgerReads
from worker.ledger.request_counts import RequestCounts
from worker.operating.embedded_files import find_embedded_url
from worker.operating.errors import UnreachableError, WrongUseError
from worker.operating.redis_checks import RedisFinding, refusal


@dataclass(frozen=True, slots=True)
class Session:
    settings: Settings
    redis: Redis
    inbox: Inbox
    lanes: Mapping[str, Lane]
    reads: LedgerReads

    def chosen_lanes(self, name: str | None) -> list[Lane]:
        """The lane of that name, or all of them."""
        if name is None:
            return list(self.lanes.values())
        if name not in self.lanes:
            raise WrongUseError(f"no lane is named {name!r}; there are: {', '.join(self.lanes)}")
        return [self.lanes[name]]

    def lane(self, name: str) -> Lane:
        """The lane of that name, even if the settings no longer name it."""
        return self.lanes.get(name) or Lane(self.redis, self.settings.key_prefix, name)

    def lane_keys(self) -> dict[str, LaneKeys]:
        """Of the lanes that the settings name."""
        return {name: lane.keys for name, lane in self.lanes.items()}

    def request_counts(self, lane: str) -> RequestCounts:
        keys = LaneKeys(self.settings.key_prefix, lane)
        return RequestCounts(self.redis, keys, time_zone(self.settings.time_zone))

    def client(self) -> FeishuBatch:
        return producer(self.settings, person())

    @contextmanager
    def conditional_inbox(self) -> Iterator[ConditionalInbox]:
        settings = self.settings
        timeout = settings.redis_timeout_seconds
        broker = Broker(settings.effective_broker_url, settings.effective_result_backend, settings.key_prefix, timeout)
        writer = InboxWriter(settings.effective_redis_url, settings.key_prefix, timeout, person())
        try:
            yield ConditionalInbox(writer, broker.send_hint)
        finally:
            writer.close()
            broker.close()


def person() -> str:
    """Who runs the command."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # a container's user without a name
        user = f"user {os.getuid()}"
    return f"{user}@{socket.gethostname()}, feishu-batch"[:LONGEST_PRODUCER]


def open_session() -> Session:
    """From the environment; needs Redis only, no credentials. Raises `UnreachableError` if Redis does not answer, and
    `OtherFormatError` if the ledger there is of another version.
    """
    return session_of(with_running_redis(load_settings()))


def session_of(settings: Settings) -> Session:
    session = unchecked_session(settings)
    check_redis(settings, session.redis)
    return session


def unchecked_session(settings: Settings) -> Session:
    """For commands that keep running while Redis does not answer."""
    redis = connect(settings)
    prefix = settings.key_prefix
    lanes = {name: Lane(redis, prefix, name) for name in lane_names(settings)}
    return Session(settings, redis, Inbox(redis, prefix), lanes, LedgerReads(redis, prefix))


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
    except OtherFormatError:
        raise
    except RedisError as error:
        where = masked_url(settings.effective_redis_url)
        raise UnreachableError(f"Redis at {where} {_trouble(error)}; check {ENV_PREFIX}REDIS_URL") from None


def refuse_unusable(settings: Settings, found: Sequence[RedisFinding]) -> None:
    """Raises `UnreachableError` if this Redis cannot be used at all."""
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
