"""The settings of the status page: its address, and who may use it."""

from pydantic import BaseModel, Field, SecretStr, field_validator

from config.fields import Words


class Dashboard(BaseModel):
    """The part of `Settings` with the status page."""

    dashboard_enabled: bool = Field(default=True, description="Whether `feishu-batch up` serves the status page.")
    dashboard_host: str = Field(
        "127.0.0.1",
        description="Address that the status page listens on. Any address other than localhost needs DASHBOARD_TOKEN.",
    )
    dashboard_port: int = Field(
        8650,
        ge=0,
        le=65535,
        description="Port of the status page; 0: any free one. If the default port is in use, `up` chooses a free one.",
    )
    dashboard_token: SecretStr | None = Field(
        None, description="Token for the login to the status page; at least 16 characters."
    )
    dashboard_names: Words = Field(
        (), description="Host names of the status page in browsers, besides localhost and IP addresses."
    )
    dashboard_read_only: bool = Field(
        default=False,
        description="Whether the status page is read-only, without pause, resume, retry, cancel and upload.",
    )

    dashboard_upload: bool = Field(
        default=False,
        description="Whether tables can be imported on the status page. Its process then has the workers' credentials.",
    )
    dashboard_upload_bytes: int = Field(
        5_000_000,
        ge=1000,
        le=100_000_000,
        description="The largest file that can be uploaded on the status page, in bytes.",
    )

    @field_validator("dashboard_host")
    @classmethod
    def _an_address(cls, host: str) -> str:
        if not host.strip() or "/" in host:
            raise ValueError("must be an IP address or a name, like 127.0.0.1 or 0.0.0.0")
        return host.strip().strip("[]")

    @field_validator("dashboard_token")
    @classmethod
    def _not_guessable(cls, token: SecretStr | None) -> SecretStr | None:
        if token is not None and len(token.get_secret_value()) < 16:  # noqa: PLR2004 - the description says it
            raise ValueError("is too short: use at least 16 characters, for example from: openssl rand -hex 24")
        return token
