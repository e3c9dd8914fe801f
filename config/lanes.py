"""The lanes of a deployment, one credential each: one from the settings, or those of the lanes file."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator

from config.errors import ConfigError
from config.fields import ENV_PREFIX, one_word, printable
from config.proxy import Proxy
from config.proxy import checked as checked_proxy
from config.settings import Settings, process_environment, secure_base_url
from config.urls import SecretUrl
from feishu_batch.wording import plainly

_LANE_NAME = re.compile(r"^[a-z0-9_-]{1,64}$")
RESERVED_NAMES = frozenset({"front"})  # the prefix of the producers' keys


@dataclass(frozen=True, slots=True)
class Routing:
    """The lane of an intent: lane names in the order of the file, and the owner of each space that has one."""

    names: tuple[str, ...]
    lane_of_project: Mapping[str, str]

    def route(self, lane: str | None, project_key: str) -> str:
        """Raises ValueError if no lane fits: a space that one lane owns must not be changed through another, because the
        order of changes is only kept within a lane.
        """
        owner = self.lane_of_project.get(project_key)
        if lane is None:
            return owner or self.names[0]
        if lane not in self.names:
            raise ValueError(f"no lane is named {lane!r}; there are: {', '.join(self.names)}")
        if owner is not None and owner != lane:
            raise ValueError(f"space {project_key} belongs to lane {owner!r}, not {lane!r}")
        return lane


class SecretSource(BaseModel):
    """The source of a lane's secret: a variable or a file. The lanes file itself never contains it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    env: str | None = None
    file: Path | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.env is None) == (self.file is None):
            raise ValueError('needs exactly one of env = "VARIABLE" and file = "/path"')
        return self

    def read(self, environ: Mapping[str, str]) -> SecretStr:
        """Raises ValueError with a sentence about what is missing."""
        if self.env is not None:
            value = environ.get(self.env, "")
            if not value:
                raise ValueError(f"the variable {self.env} is not set")
            return SecretStr(value)
        try:
            value = Path(self.file or "").read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"the file {self.file} cannot be read ({type(error).__name__})") from None
        if not value:
            raise ValueError(f"the file {self.file} is empty")
        return SecretStr(value)


class LaneConfig(BaseModel):
    """One credential: it owns one submit slot and one poll slot a second."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: Annotated[str, Field(pattern=_LANE_NAME.pattern)]
    base_url: str
    plugin_id: Annotated[str, Field(min_length=1)]
    plugin_secret: SecretStr
    plugin_token_type: Literal[0, 1] = 0
    user_key: Annotated[str, Field(min_length=1)]
    project_keys: tuple[str, ...] = ()
    proxy_url: SecretUrl | None = None

    @property
    def proxy(self) -> Proxy | None:
        return Proxy.parse(self.proxy_url.get_secret_value()) if self.proxy_url else None

    @property
    def fingerprint(self) -> str:
        """A hash that identifies the credential and may be stored in the ledger."""
        credential = (self.base_url, self.plugin_id, self.plugin_secret.get_secret_value(), str(self.plugin_token_type))
        return blake2b("\0".join(credential).encode(), digest_size=8).hexdigest()

    @property
    def plugin(self) -> str:
        """A hash that identifies the plugin: the remote system limits the requests of a plugin, for all users and secrets together."""
        return plugin_hash(self.base_url, self.plugin_id)

    @field_validator("name")
    @classmethod
    def _not_reserved(cls, name: str) -> str:
        if name in RESERVED_NAMES:
            raise ValueError("is reserved; choose another name")
        return name

    @field_validator("plugin_id", "user_key")
    @classmethod
    def _one_word(cls, word: str) -> str:
        return one_word(word)

    @field_validator("plugin_secret")
    @classmethod
    def _printable_secret(cls, secret: SecretStr) -> SecretStr:
        return printable(secret)

    @field_validator("base_url")
    @classmethod
    def _secure(cls, url: str) -> str:
        return secure_base_url(url)

    @field_validator("proxy_url")
    @classmethod
    def _usable_proxy(cls, url: SecretUrl | None) -> SecretUrl | None:
        return checked_proxy(url)


class RefusedLane(BaseModel):
    """A lane that cannot be served as it stands in the file. Its spaces stay its own, and its intents wait for it."""

    model_config = ConfigDict(frozen=True)

    name: str
    project_keys: tuple[str, ...]
    why: str  # a sentence


class Lanes(BaseModel):
    """All lanes. The first one of the file gets the intents of spaces that no lane lists."""

    model_config = ConfigDict(frozen=True)

    lanes: Annotated[tuple[LaneConfig, ...], Field(min_length=1)]
    refused: tuple[RefusedLane, ...] = ()
    order: tuple[str, ...] = ()  # of the file; empty: as in `lanes`

    @model_validator(mode="after")
    def _one_lane_per_project(self) -> Self:
        seen: dict[str, str] = {}
        for name, spaces in self._spaces.items():
            for project in spaces:
                if project in seen:
                    raise ValueError(f"space {project} is listed in the lanes {seen[project]} and {name}")
                seen[project] = name
        return self

    @property
    def _spaces(self) -> dict[str, tuple[str, ...]]:
        """Of each lane, the refused ones too."""
        known = {lane.name: lane.project_keys for lane in self.lanes}
        return known | {lane.name: lane.project_keys for lane in self.refused}

    @property
    def names(self) -> tuple[str, ...]:
        """Of all, the refused ones too, in the order of the file."""
        return self.order or tuple(lane.name for lane in self.lanes)

    @cached_property
    def _routing(self) -> Routing:
        return Routing(self.names, {project: name for name, spaces in self._spaces.items() for project in spaces})

    def route(self, lane: str | None, project_key: str) -> str:
        """The lane of an intent. Raises ValueError if none fits."""
        return self._routing.route(lane, project_key)

    def sharing(self, name: str) -> tuple[str, ...]:
        """The names of all lanes with the same plugin, including this one: they share its slots and its token."""
        plugin_of = {lane.name: lane.plugin for lane in self.lanes}
        return tuple(sorted(one for one, plugin in plugin_of.items() if plugin == plugin_of[name]))


def plugin_hash(base_url: str, plugin_id: str) -> str:
    parts = urlsplit(base_url)
    port = parts.port or {"http": 80}.get(parts.scheme, 443)
    return blake2b(f"{parts.hostname}:{port}\0{plugin_id}".encode(), digest_size=8).hexdigest()


def load_lanes(settings: Settings, environ: Mapping[str, str] | None = None) -> Lanes:
    """The lanes of LANES_FILE if it is set, else the lane of the settings. Raises `ConfigError`."""
    if settings.lanes_file is None:
        plugin_id, plugin_secret, user_key = settings.require_credentials()
        only = LaneConfig(
            name=settings.lane,
            base_url=settings.base_url,
            plugin_id=plugin_id,
            plugin_secret=SecretStr(plugin_secret),
            plugin_token_type=settings.plugin_token_type,
            user_key=user_key,
            proxy_url=settings.proxy_url,
        )
        return Lanes(lanes=(only,))
    return _from_file(settings.lanes_file, settings, process_environment() if environ is None else environ)


def lane_names(settings: Settings) -> tuple[str, ...]:
    """Only the names, for processes that only read the ledger and have no secrets."""
    if settings.lanes_file is None:
        return (settings.lane,)
    return tuple(_tables(settings.lanes_file))


def lane_addresses(settings: Settings) -> dict[str, str]:
    """The base URL of each lane, for links to work items."""
    if settings.lanes_file is None:
        return {settings.lane: settings.base_url}
    return {
        name: str(table.get("base_url") or settings.base_url) for name, table in _tables(settings.lanes_file).items()
    }


def routing(settings: Settings) -> Routing:
    """The routing of the workers, for processes without secrets."""
    if settings.lanes_file is None:
        return Routing((settings.lane,), {})
    tables = _tables(settings.lanes_file)
    return Routing(tuple(tables), {str(key): name for name, table in tables.items() for key in _spaces(table)})


class _LaneError(ConfigError):
    """What is wrong concerns one lane only."""


def _others_know_what_is_theirs(name: str, table: Mapping[str, Any]) -> bool:
    keys = table.get("project_keys", [])
    is_name = _LANE_NAME.fullmatch(name) is not None and name not in RESERVED_NAMES
    return is_name and isinstance(keys, list) and all(isinstance(key, str) for key in keys)


def _spaces(table: Mapping[str, Any]) -> list[Any]:
    keys = table.get("project_keys")
    return keys if isinstance(keys, list) else []


def _from_file(path: Path, settings: Settings, environ: Mapping[str, str]) -> Lanes:
    """A lane's own fault is that lane's: the others are served. Raises `ConfigError` if none is left, or if the fault may be another lane's."""
    tables = _tables(path)
    lanes, refused = [], []
    for name, table in tables.items():
        try:
            lanes.append(_lane(name, table, path, settings, environ))
        except _LaneError as error:
            if not _others_know_what_is_theirs(name, table):
                raise
            refused.append(RefusedLane(name=name, project_keys=tuple(map(str, _spaces(table))), why=str(error)))
    if not lanes:
        raise ConfigError(" ".join(one.why for one in refused))
    try:
        return Lanes(lanes=tuple(lanes), refused=tuple(refused), order=tuple(tables))
    except ValidationError as error:
        raise ConfigError(_sentence(path, "", error)) from None


def _tables(path: Path) -> dict[str, Any]:
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8")).get("lanes")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{ENV_PREFIX}LANES_FILE: {path} cannot be read ({type(error).__name__}).") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{ENV_PREFIX}LANES_FILE: {path} is not valid TOML: {error}.") from None
    if not isinstance(tables, dict) or not tables or not all(isinstance(table, dict) for table in tables.values()):
        raise ConfigError(f"{ENV_PREFIX}LANES_FILE: {path} has no lane. A lane begins with a line like [lanes.mobile].")
    return tables


def _lane(name: str, table: dict[str, Any], path: Path, settings: Settings, environ: Mapping[str, str]) -> LaneConfig:
    defaults = {"base_url": settings.base_url, "user_key": settings.user_key or ""}
    key = "plugin_secret"
    try:
        secret = _source(table.get(key)).read(environ)
        key = "proxy_url"
        proxy = _proxy_url(table, settings, environ)
        given = {**defaults, **table, "name": name, "plugin_secret": secret, "proxy_url": proxy}
        return LaneConfig.model_validate(given)
    except ValidationError as error:
        raise _LaneError(_sentence(path, name, error)) from None
    except ValueError as error:
        raise _LaneError(f"{path}: [lanes.{name}] {key}: {error}.") from None


def _proxy_url(table: dict[str, Any], settings: Settings, environ: Mapping[str, str]) -> SecretUrl | None:
    """The lane's proxy, else that of the settings; empty: no proxy. A URL with a password must come from a variable or a file."""
    given = table.get("proxy_url")
    if given is None:
        return settings.proxy_url
    if isinstance(given, str):
        if "@" in given:
            raise ValueError('a URL with a password must come from { env = "VARIABLE" } or { file = "/path" }')
        return SecretUrl(given) if given else None
    return SecretUrl(_source(given).read(environ).get_secret_value())


def _source(content: object) -> SecretSource:
    if not isinstance(content, dict):
        raise ValueError('must look like { env = "VARIABLE" } or { file = "/path" }')  # noqa: TRY004 - reported like the other errors
    return SecretSource.model_validate(content)


def _sentence(path: Path, name: str, error: ValidationError) -> str:
    problems = error.errors(include_url=False, include_input=False)
    lines = (f"{'.'.join(map(str, one['loc']))}: {plainly(one)}".removeprefix(": ") for one in problems)
    where = f"[lanes.{name}] " if name else ""
    return f"{path}: {where}{'; '.join(lines)}."
