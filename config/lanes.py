"""The lanes of a deployment: one credential each. One from the settings, or as many as the lanes file names."""

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

RESERVED_NAMES = frozenset({"front"})  # the producers' keys stand under this name


@dataclass(frozen=True, slots=True)
class Routing:
    """Which lane an intent goes to: names in the order of the file, and the lane of each space that one owns."""

    names: tuple[str, ...]
    lane_of_project: Mapping[str, str]

    def route(self, lane: str | None, project_key: str) -> str:
        """Raises ValueError where none fits: a space that one lane owns must not be changed through another, since only
        within a lane a cell sees its changes in order.
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
    """Where a lane's secret comes from: a variable or a file. It never stands in the lanes file itself."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    env: str | None = None
    file: Path | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.env is None) == (self.file is None):
            raise ValueError('needs exactly one of env = "VARIABLE" and file = "/path"')
        return self

    def read(self, environ: Mapping[str, str]) -> SecretStr:
        """Raises ValueError with a sentence that says what is missing."""
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

    name: Annotated[str, Field(pattern=r"^[a-z0-9_-]{1,64}$")]
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
        """Names the credential, as a hash: what of it may be read by everybody who may read the ledger."""
        credential = (self.base_url, self.plugin_id, self.plugin_secret.get_secret_value(), str(self.plugin_token_type))
        return blake2b("\0".join(credential).encode(), digest_size=8).hexdigest()

    @property
    def plugin(self) -> str:
        """Names whose limit it is, as a hash: the remote system counts the requests of a plugin, whoever acts and with which secret."""
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


class Lanes(BaseModel):
    """All lanes, in the order of the file. The first one takes the intents of spaces that no lane names."""

    model_config = ConfigDict(frozen=True)

    lanes: Annotated[tuple[LaneConfig, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _one_lane_per_project(self) -> Self:
        seen: dict[str, str] = {}
        for lane in self.lanes:
            for project in lane.project_keys:
                if project in seen:
                    raise ValueError(f"space {project} is named by the lanes {seen[project]} and {lane.name}")
                seen[project] = lane.name
        return self

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(lane.name for lane in self.lanes)

    @cached_property
    def _routing(self) -> Routing:
        return Routing(self.names, {project: lane.name for lane in self.lanes for project in lane.project_keys})

    def route(self, lane: str | None, project_key: str) -> str:
        """The lane of an intent. Raises ValueError where none fits."""
        return self._routing.route(lane, project_key)

    def sharing(self, name: str) -> tuple[str, ...]:
        """All lanes with the plugin of this one, itself among them, by name: they share its slots and its token."""
        plugin_of = {lane.name: lane.plugin for lane in self.lanes}
        return tuple(sorted(one for one, plugin in plugin_of.items() if plugin == plugin_of[name]))


def plugin_hash(base_url: str, plugin_id: str) -> str:
    parts = urlsplit(base_url)
    port = parts.port or {"http": 80}.get(parts.scheme, 443)
    return blake2b(f"{parts.hostname}:{port}\0{plugin_id}".encode(), digest_size=8).hexdigest()


def load_lanes(settings: Settings, environ: Mapping[str, str] | None = None) -> Lanes:
    """The lanes of the file that LANES_FILE names, else the one of the settings. Raises `ConfigError`."""
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
    """Their names alone, for whoever only reads the ledger and has no secrets."""
    if settings.lanes_file is None:
        return (settings.lane,)
    return tuple(_tables(settings.lanes_file))


def routing(settings: Settings) -> Routing:
    """As the workers route, for whoever has no secrets."""
    if settings.lanes_file is None:
        return Routing((settings.lane,), {})
    tables = _tables(settings.lanes_file)
    return Routing(tuple(tables), {str(key): name for name, table in tables.items() for key in _spaces(table)})


def _spaces(table: Mapping[str, Any]) -> list[Any]:
    keys = table.get("project_keys")
    return keys if isinstance(keys, list) else []


def _from_file(path: Path, settings: Settings, environ: Mapping[str, str]) -> Lanes:
    lanes = [_lane(name, table, path, settings, environ) for name, table in _tables(path).items()]
    try:
        return Lanes(lanes=tuple(lanes))
    except ValidationError as error:
        raise ConfigError(_sentence(path, "", error)) from None


def _tables(path: Path) -> dict[str, Any]:
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8")).get("lanes")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{ENV_PREFIX}LANES_FILE: {path} cannot be read ({type(error).__name__}).") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{ENV_PREFIX}LANES_FILE: {path} is no TOML: {error}.") from None
    if not isinstance(tables, dict) or not tables or not all(isinstance(table, dict) for table in tables.values()):
        raise ConfigError(
            f"{ENV_PREFIX}LANES_FILE: {path} names no lane. A lane begins with a line like [lanes.mobile]."
        )
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
        raise ConfigError(_sentence(path, name, error)) from None
    except ValueError as error:
        raise ConfigError(f"{path}: [lanes.{name}] {key}: {error}.") from None


def _proxy_url(table: dict[str, Any], settings: Settings, environ: Mapping[str, str]) -> SecretUrl | None:
    """Of the lane, else of the settings; an empty one: no proxy. One with a password stands in a variable or a file."""
    given = table.get("proxy_url")
    if given is None:
        return settings.proxy_url
    if isinstance(given, str):
        if "@" in given:
            raise ValueError('with a password it has to stand elsewhere: { env = "VARIABLE" } or { file = "/path" }')
        return SecretUrl(given) if given else None
    return SecretUrl(_source(given).read(environ).get_secret_value())


def _source(content: object) -> SecretSource:
    if not isinstance(content, dict):
        raise ValueError('has to look like { env = "VARIABLE" } or { file = "/path" }')  # noqa: TRY004 - told as the others are
    return SecretSource.model_validate(content)


def _sentence(path: Path, name: str, error: ValidationError) -> str:
    problems = error.errors(include_url=False, include_input=False)
    lines = (f"{'.'.join(map(str, one['loc']))}: {plainly(one)}".removeprefix(": ") for one in problems)
    where = f"[lanes.{name}] " if name else ""
    return f"{path}: {where}{'; '.join(lines)}."
