"""Every setting of the worker, read once per process from variables named FEISHU_BATCH_<NAME>.

Nothing is read on import. `Settings(...)` takes arguments only, so that tests do not depend on the environment they
run in; `load_settings()` is the one place that reads it.
"""

import json
import os
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from config.dashboard import Dashboard
from config.errors import ConfigError
from config.explain import explain, misspelt, variable_name
from config.fields import ENV_PREFIX, Words, number, one_word, printable, seconds
from config.lookups import LookupSettings
from config.pace import Pace
from config.platform import is_of_platform
from config.proxy import checked as checked_proxy
from config.remote_facts import RemoteFacts
from config.urls import SecretUrl
from feishu_batch.redis_urls import BROKER_SCHEMES, REDIS_SCHEMES, check_url, with_password_file

__all__ = [
    "ENV_PREFIX",
    "ConfigError",
    "Settings",
    "as_environment",
    "load_settings",
    "process_environment",
    "unknown_variables",
]


class Settings(RemoteFacts, Pace, LookupSettings, Dashboard, BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_ignore_empty=True,  # docker-compose passes an unset variable as an empty one
        frozen=True,
        extra="forbid",  # for arguments; unknown variables are not passed on
        hide_input_in_errors=True,  # pydantic would quote the secret
        validate_default=True,
    )

    # The remote system and our credentials
    base_url: str = Field(
        "https://project.feishu.cn",
        description="Base URL of Feishu Project; https, except on localhost. International: https://project.larksuite.com.",
    )
    ca_file: Path | None = Field(
        None, description="Certificates (PEM) to trust instead of the default ones, for a private host."
    )
    proxy_url: SecretUrl | None = Field(
        None,
        description="HTTP proxy to Feishu Project, like http://user:password@proxy.example:3128. "
        "HTTPS_PROXY and similar variables are never used.",
    )
    plugin_id: str | None = Field(None, description="The plugin's id, from its page in Feishu Project.")
    plugin_secret: SecretStr | None = Field(None, description="The plugin's secret, from the same page.")
    user_key: str | None = Field(None, description="The acting user (X-USER-KEY) of intents without one.")
    plugin_token_type: Literal[0, 1] = Field(0, description="0: plugin token. 1: virtual token.")
    enforce_user_rights: bool = Field(
        default=False, description="Whether changes are limited to the acting user's own permissions."
    )

    # Storage
    redis_url: SecretUrl | None = Field(
        None,
        description="Redis for the ledger, and for messages and results. Not set: an embedded server with its files under DATA_DIR.",
    )
    redis_password_file: Path | None = Field(
        None,
        description="File with the password for REDIS_URL, which then contains none. It is read at each new connection.",
    )
    broker_url: SecretUrl | None = Field(
        None, description="Redis or RabbitMQ (amqp://…) for Celery's messages. Default: REDIS_URL."
    )
    result_backend: SecretUrl | None = Field(None, description="Redis for Celery's results. Default: REDIS_URL.")
    redis_timeout_seconds: float = seconds(4, 0.1, 60, "How long to wait for an answer from Redis.")
    redis_connect_timeout_seconds: float = seconds(3, 0.1, 60, "How long to wait for a connection to Redis.")
    data_dir: Path = Field(Path(".feishu-batch"), description="Files of the embedded server, of beat, and logs.")
    key_prefix: str = Field(
        "feishu-batch",
        pattern=r"^[A-Za-z0-9_.:-]{1,64}$",
        description="Prefix of every key of the ledger. If it is not the default, it also stands behind queue names. Producers need the same value.",
    )
    lane: str = Field(
        "default",
        pattern=r"^[a-z0-9_-]{1,64}$",
        description="The credential's name in the ledger; workers with one lane share its slots.",
    )
    lanes_file: Path | None = Field(
        None,
        description="TOML file with several lanes, one credential each; replaces PLUGIN_ID, PLUGIN_SECRET and LANE.",
    )
    schedule_file: Path | None = Field(
        None,
        description="TOML file with scheduled work: docs/schedules.md. Not set: config/schedule.toml, if it exists.",
    )
    callback_queue: str = Field(
        "celery",
        min_length=1,
        description="Queue for callbacks and chained tasks of producers that name no queue. Celery's default is celery.",
    )

    # Retention, logs and traces
    retain_finished_days: float = number(7, 0.001, 3650, "Days for which succeeded intents and their results are kept.")
    retain_failed_days: float = number(
        30, 0.001, 3650, "Days for which all other ended intents and their results are kept."
    )
    retain_imports_days: float = number(
        365,
        1,
        3650,
        "Days after its last use for which an import's id is remembered, so that a file whose intents are forgotten is not imported again by mistake.",
    )
    log_format: Literal["auto", "console", "json"] = Field(
        "auto", description="How log lines look: console, json, or auto: console on a terminal, json elsewhere."
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Lowest log level shown.")
    log_values: bool = Field(
        default=False,
        description="Whether log lines contain field values: those that are sent, and those that an error quotes.",
    )
    metrics_sets: Words = Field(
        (),
        max_length=50,
        description="Names of change sets that have metrics, besides the schedules: nightly stands for the newest of nightly, nightly-2030-01-31, ….",
    )
    otel: Literal["auto", "on", "off"] = Field(
        "auto",
        description="Whether the workers send traces by OpenTelemetry: on, off, or auto: where OTEL_EXPORTER_OTLP_ENDPOINT is set.",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the names are pydantic-settings' keyword arguments
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - as above
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - as above
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - as above
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments only: `load_settings` reads the environment and passes it on as arguments."""
        return (init_settings,)

    @field_validator("log_level", mode="before")
    @classmethod
    def _uppercase(cls, value: Any) -> Any:
        return value.upper() if isinstance(value, str) else value

    @field_validator("plugin_token_type", mode="before")
    @classmethod
    def _digit(cls, value: Any) -> Any:
        return int(value) if isinstance(value, str) and value.isdigit() else value

    @field_validator("lane")
    @classmethod
    def _not_the_front(cls, lane: str) -> str:
        if lane == "front":  # the prefix of the producers' keys
            raise ValueError("is reserved; choose another name")
        return lane

    @field_validator("plugin_id", "user_key")
    @classmethod
    def _one_word(cls, word: str | None) -> str | None:
        return None if word is None else one_word(word)

    @field_validator("plugin_secret")
    @classmethod
    def _printable_secret(cls, secret: SecretStr | None) -> SecretStr | None:
        return None if secret is None else printable(secret)

    @field_validator("base_url")
    @classmethod
    def _secure_base_url(cls, url: str) -> str:
        return secure_base_url(url)

    @field_validator("proxy_url")
    @classmethod
    def _proxy(cls, url: SecretUrl | None) -> SecretUrl | None:
        return checked_proxy(url)

    @field_validator("redis_url")
    @classmethod
    def _ledger(cls, url: SecretUrl | None) -> SecretUrl | None:
        """Its password may stand in a file, of which `_one_password` knows."""
        if url is not None:
            check_url(url.get_secret_value(), REDIS_SCHEMES, has_file=True)
        return url

    @field_validator("result_backend")
    @classmethod
    def _redis(cls, url: SecretUrl | None) -> SecretUrl | None:
        if url is not None:
            check_url(url.get_secret_value(), REDIS_SCHEMES)
        return url

    @field_validator("broker_url")
    @classmethod
    def _broker(cls, url: SecretUrl | None) -> SecretUrl | None:
        if url is not None:
            check_url(url.get_secret_value(), BROKER_SCHEMES)
        return url

    @model_validator(mode="after")
    def _one_password(self) -> Self:
        if self.redis_password_file is None:
            if self.redis_url is not None:
                try:
                    check_url(self.redis_url.get_secret_value(), REDIS_SCHEMES)
                except ValueError as error:
                    raise ValueError(f"{ENV_PREFIX}REDIS_URL {error}") from None
            return self
        if self.redis_url is None:
            raise ValueError(
                f"{ENV_PREFIX}REDIS_PASSWORD_FILE is set, and {ENV_PREFIX}REDIS_URL, whose password it holds, is not"
            )
        try:
            with_password_file(self.redis_url.get_secret_value(), str(self.redis_password_file))
        except ValueError as error:
            raise ValueError(f"{ENV_PREFIX}REDIS_URL {error}: {ENV_PREFIX}REDIS_PASSWORD_FILE is set") from None
        return self

    @property
    def effective_redis_url(self) -> str:
        """Includes the password: for the connection only, never for a log line or an error."""
        if self.redis_url is None:
            raise ConfigError(
                f"No Redis: {ENV_PREFIX}REDIS_URL is not set and no embedded server is running with its files in {self.data_dir}. "
                f"Start one with `feishu-batch up`, or set {ENV_PREFIX}REDIS_URL."
            )
        url = self.redis_url.get_secret_value()
        return with_password_file(url, str(self.redis_password_file.absolute())) if self.redis_password_file else url

    @property
    def effective_broker_url(self) -> str:
        """Includes the password."""
        return self.broker_url.get_secret_value() if self.broker_url else self.effective_redis_url

    @property
    def effective_result_backend(self) -> str:
        """Includes the password."""
        return self.result_backend.get_secret_value() if self.result_backend else self.effective_redis_url

    def with_redis_url(self, url: str) -> Self:
        """The same settings with the embedded server's URL."""
        return self.model_copy(update={"redis_url": SecretUrl(url)})

    def require_credentials(self) -> tuple[str, str, str]:
        """(plugin_id, plugin_secret, user_key). Raises a `ConfigError` that says which of them to set."""
        secret = self.plugin_secret.get_secret_value() if self.plugin_secret else ""
        found = {"PLUGIN_ID": self.plugin_id or "", "PLUGIN_SECRET": secret, "USER_KEY": self.user_key or ""}
        missing = [f"{ENV_PREFIX}{name}" for name, value in found.items() if not value]
        if missing:
            raise ConfigError(
                f"No credentials for {self.base_url}: {', '.join(missing)} not set. "
                f"Set them in the environment or in a file .env here, for example: export {missing[0]}=..."
            )
        return found["PLUGIN_ID"], found["PLUGIN_SECRET"], found["USER_KEY"]


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Settings from `environ`; by default from the process's environment and a file ``.env`` in the working directory."""
    try:
        return Settings(**_values(process_environment() if environ is None else environ))
    except ValidationError as error:
        # "from None": a traceback must not show the inputs, which hold secrets.
        raise ConfigError(explain(error, Settings.model_fields)) from None


def process_environment() -> dict[str, str]:
    file = {name: value for name, value in dotenv_values(Path(".env")).items() if value is not None}
    return {**file, **os.environ}


def as_environment(settings: Settings) -> dict[str, str]:
    """The explicitly set values, as variables for a child process in any directory. Contains the secrets unmasked."""
    values = {name: _as_text(getattr(settings, name)) for name in sorted(settings.model_fields_set)}
    return {variable_name(name): value for name, value in values.items() if value is not None}


def _as_text(value: Any) -> str | None:
    if isinstance(value, SecretStr | SecretUrl):
        return value.get_secret_value()
    if isinstance(value, Path):
        return str(value.absolute())
    if isinstance(value, dict | tuple):
        return json.dumps(value)
    return None if value is None else str(value)


def unknown_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Variables with our prefix that are not settings (probably typing errors), each with the nearest real name ("" if none)."""
    return misspelt((name for name, value in environ.items() if not is_of_platform(name, value)), Settings.model_fields)


def _values(environ: Mapping[str, str]) -> dict[str, Any]:
    source = EnvSettingsSource(Settings)
    own = {name: value for name, value in environ.items() if not is_of_platform(name, value)}
    # Values from files or secret stores may end with a line break, which is not part of them. A URL with one is refused: it may be a password's.
    cut = {name.lower(): value if "://" in value else value.strip() for name, value in own.items()}
    source.env_vars = {name: value for name, value in cut.items() if value}
    return source()


def secure_base_url(url: str) -> str:
    """Without the path prefix that every call adds. Raises ValueError if a secret would be sent unencrypted."""
    url = url.strip().rstrip("/").removesuffix("/open_api")
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or "@" in parts.netloc:
        raise ValueError("must look like https://project.feishu.cn")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError("must begin with https://; otherwise the secret would be sent unencrypted")
    return url


def is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
