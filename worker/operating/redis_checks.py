"""Whether a Redis is safe for the ledger: problems found in its INFO and CONFIG, and what to change."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from redis import Redis
from redis.exceptions import NoPermissionError, ResponseError

LEAST_VERSION = (6, 2)
NEARLY_FULL = 0.9  # of maxmemory
CONFIG_NAMES = ("appendonly", "appendfsync", "maxmemory-policy")


class Severity(StrEnum):
    FATAL = "fatal"  # the ledger cannot work
    WARNING = "warning"  # it works, but may lose data
    UNKNOWN = "unknown"  # could not be checked


@dataclass(frozen=True, slots=True)
class RedisFinding:
    severity: Severity
    what: str
    advice: str

    @property
    def sentence(self) -> str:
        return f"{self.what}. {self.advice}"


def findings(info: Mapping[str, Any], config: Mapping[str, str] | None) -> list[RedisFinding]:
    """`info`: the answer to INFO; `config`: the answers to CONFIG GET, or None if it is forbidden."""
    found = [_version(info), _cluster(info), _role(info), _memory(info)]
    if info.get("loading"):
        found.append(RedisFinding(Severity.FATAL, "Redis is still loading its data", "Wait until it is done."))
    if config is None:
        found.append(_unseen(info))
        return [finding for finding in found if finding]
    return [finding for finding in (*found, _policy(config.get("maxmemory-policy")), _persistence(config)) if finding]


def refusal(found: Sequence[RedisFinding]) -> str | None:
    """Why this Redis cannot be used; None if it can."""
    return " ".join(finding.sentence for finding in found if finding.severity is Severity.FATAL) or None


def inspect(redis: Redis) -> list[RedisFinding]:
    """Raises RedisError if Redis does not answer."""
    client: Any = redis
    try:
        info = client.info()
    except NoPermissionError:
        return [
            RedisFinding(
                Severity.UNKNOWN,
                "The Redis user may not run INFO, so version, role and memory are not known",
                "Allow it (ACL: +info), or check yourself that it is a primary of version 6.2 or later.",
            )
        ]
    return findings(info, _config(client))


def _config(client: Any) -> dict[str, str] | None:
    config: dict[str, str] = {}
    try:
        for name in CONFIG_NAMES:  # one by one: servers before 7 accept one name only
            config |= client.config_get(name)
    except (NoPermissionError, ResponseError):
        return None
    return config


def _version(info: Mapping[str, Any]) -> RedisFinding | None:
    # Valkey also states the version of Redis that it is compatible with.
    version = str(info.get("redis_version", ""))
    parts = version.split(".")[:2]
    if len(parts) < len(LEAST_VERSION) or not all(part.isdigit() for part in parts):
        return RedisFinding(
            Severity.UNKNOWN,
            f"The server does not state its version ({version[:40]!r})",
            "Make sure that its version is 6.2 or later.",
        )
    if tuple(map(int, parts)) >= LEAST_VERSION:
        return None
    return RedisFinding(Severity.FATAL, f"Redis {version} is too old", "Use version 6.2 or later, or Valkey.")


def _cluster(info: Mapping[str, Any]) -> RedisFinding | None:
    if info.get("redis_mode") != "cluster" and str(info.get("cluster_enabled", "0")) != "1":
        return None
    return RedisFinding(
        Severity.FATAL,
        "This is a node of a Redis Cluster, on which Celery cannot work",
        "Use a single primary, or Sentinel: sentinel://host1,host2/0?master=NAME.",
    )


def _role(info: Mapping[str, Any]) -> RedisFinding | None:
    if info.get("role") in (None, "master"):
        return None
    if str(info.get("slave_read_only", 1)) == "0":
        return RedisFinding(
            Severity.WARNING,
            "This Redis is a replica: what is written here is lost at its next synchronisation",
            "Point REDIS_URL at the primary.",
        )
    return RedisFinding(Severity.FATAL, "This Redis is a read-only replica", "Point REDIS_URL at the primary.")


def _memory(info: Mapping[str, Any]) -> RedisFinding | None:
    limit, used = _number(info.get("maxmemory")), _number(info.get("used_memory"))
    if not limit or used < NEARLY_FULL * limit:
        return None
    return RedisFinding(
        Severity.WARNING,
        f"Redis uses {used / limit:.0%} of its maxmemory",
        "Raise maxmemory: a full Redis refuses new intents, and work in progress stops.",
    )


def _policy(policy: str | None) -> RedisFinding | None:
    if policy in (None, "noeviction"):
        return None
    return RedisFinding(
        Severity.WARNING,
        f"maxmemory-policy is {policy}: a full Redis deletes parts of the ledger silently",
        "Set maxmemory-policy noeviction.",
    )


def _persistence(config: Mapping[str, str]) -> RedisFinding | None:
    if config.get("appendonly", "yes") != "yes":
        return RedisFinding(
            Severity.WARNING,
            "Redis keeps no append-only file: a restart loses enqueued intents",
            "Set appendonly yes and appendfsync always.",
        )
    fsync = config.get("appendfsync", "always")
    if fsync == "always":
        return None
    lost = "the last second" if fsync == "everysec" else "the last half minute"
    return RedisFinding(Severity.WARNING, f"appendfsync is {fsync}: a crash can lose {lost}", "Set appendfsync always.")


def _unseen(info: Mapping[str, Any]) -> RedisFinding:
    """CONFIG is forbidden, as by hosting services. INFO shows a part."""
    policy = info.get("maxmemory_policy")
    if policy not in (None, "noeviction"):
        return _policy(str(policy)) or _unseen({})
    if str(info.get("aof_enabled", "1")) == "0":
        return _persistence({"appendonly": "no"}) or _unseen({})
    return RedisFinding(
        Severity.UNKNOWN,
        "CONFIG is forbidden here, so appendfsync and the eviction policy are not fully known",
        "Make sure of appendfsync always and maxmemory-policy noeviction.",
    )


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
