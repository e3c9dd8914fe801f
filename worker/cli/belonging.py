"""Whether this deployment may work here: asked by `up` and `run` before any process starts, and told by `doctor`."""

import contextlib
from collections.abc import Callable, Iterator, Mapping

from redis import Redis
from redis.exceptions import RedisError

from config.lanes import LaneConfig, Lanes
from config.settings import ENV_PREFIX, Settings
from config.urls import masked_url
from feishu_batch.redis_urls import REDIS_SCHEMES
from worker.cli.errors import WrongUseError
from worker.connections import connect, control_app
from worker.ledger.belonging import BROKER_OWNER, Belonging, OpenWork, Owner, broker_owner, claim_broker

PING_SECONDS = 1.0


def claim(settings: Settings, lanes: Lanes | None) -> None:
    """Takes the broker's database and the ledger for this deployment. `lanes`: None for a process that sends nothing.

    Raises `WrongUseError` where another one has them. A Redis that cannot be asked refuses nobody: the workers wait for it.
    """
    with contextlib.suppress(RedisError), contextlib.closing(connect(settings)) as redis:
        belonging = Belonging(redis, settings.key_prefix)
        ours = belonging.named_owner()
        with _broker(settings, redis) as broker:
            if broker is not None:
                _refuse(broker_refusal(settings, ours, claim_broker(broker, ours)))
        if lanes is not None:
            remotes = {lane.name: remote_of(lane) for lane in lanes.lanes}
            _refuse(_remotes_refusal(settings, belonging, remotes))
            belonging.note_remotes(remotes)


def refusal(settings: Settings, redis: Redis, lanes: Lanes | None) -> str | None:
    """Why `up` and `run` would not start with these settings. Changes nothing. Raises RedisError."""
    belonging = Belonging(redis, settings.key_prefix)
    with _broker(settings, redis) as broker:
        owner = broker_owner(broker) if broker is not None else None
    if owner is not None and (why := broker_refusal(settings, belonging.owner(), owner)):
        return why
    return _remotes_refusal(settings, belonging, {lane.name: remote_of(lane) for lane in lanes.lanes} if lanes else {})


def remote_of(lane: LaneConfig) -> str:
    """Whom the lane's work is meant for: the remote system's URL, and its plugin as a hash. Not the user, nor the secret."""
    return f"{lane.base_url} {lane.plugin}"


def broker_refusal(settings: Settings, ours: Owner | None, owner: Owner) -> str | None:
    if owner == ours:
        return None
    what = "another ledger" if owner.prefix == settings.key_prefix else f"key prefix {owner.prefix!r}"
    return (
        f"the broker database {masked_url(settings.effective_broker_url)} belongs to the deployment with {what}, and each would"
        f" take the other's Celery tasks; give this one a database of its own ({ENV_PREFIX}BROKER_URL or {ENV_PREFIX}REDIS_URL),"
        f" or, if the other is gone for good, delete the key {BROKER_OWNER} there"
    )


def remotes_refusal(
    known: Mapping[str, str],
    remotes: Mapping[str, str],
    work: OpenWork,
    is_anyone_there: Callable[[], bool],
    key: str,
) -> str | None:
    """`known` and `remotes`: lane → `remote_of`, as the ledger and as the settings name it."""
    changed = [name for name, remote in remotes.items() if name in known and not _is_same(known[name], remote)]
    for name in changed:
        before, now = known[name].partition(" ")[0], remotes[name].partition(" ")[0]
        other = f"the plugin of {now} is another one" if before == now else f"they name {now}"
        if count := work.of(name):
            return (
                f"lane {name} of this ledger has {count} open intents that are meant for {before}, and by these settings {other};"
                f" finish or cancel them with the earlier settings, or, if they may go there, delete the key {key}"
            )
    if changed and is_anyone_there():
        return (
            f"lane {changed[0]} of this ledger has workers that run with another {ENV_PREFIX}BASE_URL or plugin;"
            f" stop all of them first, or give this deployment a Redis database of its own"
        )
    return None


def _is_same(one: str, other: str) -> bool:
    return one.partition(" ")[2] == other.partition(" ")[2]  # which holds host and port, however the URL is spelt


def _remotes_refusal(settings: Settings, belonging: Belonging, remotes: Mapping[str, str]) -> str | None:
    return remotes_refusal(
        belonging.remotes(),
        remotes,
        belonging.open_work(remotes),
        lambda: _is_anyone_there(settings),
        belonging.remotes_key,
    )


def _refuse(why: str | None) -> None:
    if why:
        raise WrongUseError(why)


@contextlib.contextmanager
def _broker(settings: Settings, ledger: Redis) -> Iterator[Redis | None]:
    """None: it is not Redis, and keeps nothing that a deployment could leave its name on."""
    url = settings.effective_broker_url
    if url == settings.effective_redis_url:
        yield ledger
    elif url.partition("://")[0].lower() in REDIS_SCHEMES:
        with contextlib.closing(
            connect(settings.with_redis_url(url).model_copy(update={"redis_password_file": None}))
        ) as own:
            yield own
    else:
        yield None


def _is_anyone_there(settings: Settings) -> bool:
    with contextlib.closing(control_app(settings)) as app:
        try:
            return bool(app.control.ping(timeout=PING_SECONDS))
        except Exception:  # noqa: BLE001 - whatever the broker raises: no worker works through it now
            return False
