"""Every setting of the product: one typed object, read from the environment once and passed on.

`docs/settings.md` lists them with their meaning; an invalid value is refused in one line that names its variable.
"""

from __future__ import annotations

from functools import cached_property
from ipaddress import ip_network
from typing import Annotated, Literal
from urllib.parse import urlsplit

from cryptography.fernet import Fernet, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pydantic import Field, PositiveFloat, PositiveInt, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_DAY = "(mon|tue|wed|thu|fri|sat|sun)"


class SettingsError(Exception):
    """A setting is missing or invalid; the message names the variable and what it should hold."""


class Settings(BaseSettings):
    """The environment, typed. Each field is the variable of the same name in capitals."""

    model_config = SettingsConfigDict(env_file=None, extra="ignore", frozen=True, hide_input_in_errors=True)

    database_url: str = Field("sqlite:///.data/portal-sync.db", description="SQLite file or PostgreSQL database")
    database_trusted_network: bool = Field(
        False, description="whether a PostgreSQL on another machine may be used without TLS"
    )
    redis_url: str = Field("redis://127.0.0.1:6379/0", description="Redis or Valkey that holds the queues")
    redis_trusted_network: bool = Field(
        False, description="whether a Redis on another machine may be used without TLS or a password"
    )
    redis_namespace: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,30}$")] = Field(
        "portal", description="prefix of every Redis key"
    )
    xpm_api_url: str = Field("https://api.xero.com/practicemanager/3.1", description="base address of the XPM API")
    xero_authorize_url: str = Field(
        "https://login.xero.com/identity/connect/authorize", description="where people consent at Xero"
    )
    xero_identity_url: str = Field(
        "https://identity.xero.com", description="Xero's identity server: tokens and their revocation"
    )
    xero_connections_url: str = Field(
        "https://api.xero.com/connections", description="Xero's list of the practices behind a token"
    )
    xero_client_id: str = Field("", description="client id of the app registered at Xero")
    xero_client_secret: SecretStr = Field(SecretStr(""), description="client secret of that app")
    xpm_day_limit: PositiveInt = Field(
        5000, description="calls a day that XPM allows per practice; 1000 on the Starter tier"
    )
    xpm_quota_time_scale: PositiveFloat = Field(
        1.0,
        description="how much faster XPM's quota windows pass; 1, except with a simulator that runs at the same scale",
    )
    smtp_url: str = Field(
        "smtp://127.0.0.1:1025", description="smtp:// or smtps:// with user and password; ?starttls=require"
    )
    mail_from: str = Field("Client portal <no-reply@portal.example>", description="sender of every email")
    public_url: str = Field("http://127.0.0.1:8000", description="address of the portal that clients see")
    token_keys: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        (), description="Fernet keys, comma separated, newest first; they encrypt tokens at rest"
    )
    unsigned_requests: bool = Field(
        False, description="whether import requests by queue message are accepted without a producer's signature"
    )
    webhook_private_addresses: bool = Field(
        False, description="whether webhooks may be sent to addresses that are not public"
    )
    web_host: str = Field("127.0.0.1", description="address the web process listens on")
    web_port: Annotated[int, Field(ge=1, le=65535)] = Field(8000, description="port the web process listens on")
    forwarded_allow_ips: str = Field(
        "127.0.0.1",
        description="addresses and networks of the proxies whose X-Forwarded headers count, comma separated",
    )
    metrics_host: str = Field("127.0.0.1", description="address on which processes answer /metrics, /livez and /status")
    metrics_port: Annotated[int, Field(ge=0, le=65535)] = Field(
        0, description="the first port tried for /metrics, /livez and /status; 0: none of them is answered"
    )
    ops_host: str = Field("127.0.0.1", description="address the operators' console listens on")
    ops_port: Annotated[int, Field(ge=1, le=65535)] = Field(8001, description="port the operators' console listens on")
    ops_url: str = Field("http://127.0.0.1:8001", description="address at which operators open the console")
    ops_oidc_issuer: str = Field(
        "",
        pattern=r"^(https?://.+)?$",
        description="OpenID provider with which operators sign in to the console; empty: password and code",
    )
    ops_oidc_client_id: str = Field("", description="client id of the console, as registered at the OpenID provider")
    ops_oidc_client_secret: SecretStr = Field(
        SecretStr(""), description="client secret of the console, as registered at the OpenID provider"
    )
    ring_limit: PositiveInt = Field(400, description="jobs of one practice rung and unfinished at once, per lane group")
    lease_seconds: PositiveFloat = Field(10.0, description="how long a running job's lease lasts without a heartbeat")
    heartbeat_seconds: PositiveFloat = Field(3.0, description="how often running jobs' leases are renewed")
    shutdown_grace_seconds: PositiveFloat = Field(25.0, description="time for running jobs to finish on SIGTERM")
    nightly_hour: Annotated[int, Field(ge=0, le=23)] = Field(
        3, description="hour of the day, UTC, from which the relay reconciles and deletes expired rows"
    )
    sync_hours: Annotated[str, Field(pattern=r"^([01]?\d|2[0-3])-([01]?\d|2[0-4])$")] = Field(
        "7-19", description="working hours, in the practice's time zone, during which directories are synced often"
    )
    sync_days: Annotated[str, Field(pattern=rf"^{_DAY}(-{_DAY}|(,{_DAY})*)$")] = Field(
        "mon-fri", description="days of the week that have working hours"
    )
    sync_in_use_days: PositiveInt = Field(
        30, description="a directory that nobody used for this many days is not synced in working hours"
    )
    reconcile_links: Annotated[int, Field(ge=0, le=10_000)] = Field(
        200, description="the most links whose XPM record one run of reconcile checks"
    )
    directory_drop_percent: Annotated[float, Field(ge=0, le=100)] = Field(
        10.0, description="percent of a directory's records that may be missing from a full sync; a bigger drop is held"
    )
    directory_drop_records: Annotated[int, Field(ge=0)] = Field(
        20, description="this many records may always be missing, whatever their percentage"
    )
    keep_jobs_days: PositiveInt = Field(
        90, description="how long finished jobs and their attempts, and finished syncs of directories, are kept"
    )
    keep_events_days: PositiveInt = Field(
        90,
        description="how long import events, webhook deliveries, re-sync summaries and past runs of schedules are kept",
    )
    keep_history_days: PositiveInt = Field(730, description="how long a client's history is kept")
    keep_audit_days: PositiveInt = Field(
        365, description="how long the sign-in log is kept, and network addresses in the audit trail"
    )
    keep_malformed_days: PositiveInt = Field(30, description="how long messages that could not be read are kept")
    keep_receipts_hours: PositiveInt = Field(24, description="how long the queue door's receipts stay in Redis")
    otel_exporter_otlp_endpoint: str = Field(
        "", pattern=r"^(https?://.+)?$", description="address of the collector that traces are sent to; empty: none are"
    )
    log_format: Literal["console", "json"] = Field("console", description="how log lines look")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="the lowest level that is logged"
    )

    @field_validator("sync_hours")
    @classmethod
    def _some_hours(cls, value: str) -> str:
        first, last = map(int, value.split("-"))
        if first >= last:
            raise ValueError("the hours must end after they begin")
        return value

    @field_validator("forwarded_allow_ips")
    @classmethod
    def _some_proxies(cls, value: str) -> str:
        """A proxy says which address a request is from: if anybody may be one, sign-in limits and audit mean nothing."""
        for item in value.split(","):
            try:
                network = ip_network(item.strip())
            except ValueError:
                raise ValueError(
                    "it must list addresses or networks of proxies, comma separated; * is refused"
                ) from None
            if network.prefixlen == 0:
                raise ValueError("it must not be every address")
        return value

    @field_validator("token_keys", mode="before")
    @classmethod
    def _split_keys(cls, value: object) -> object:
        return tuple(key.strip() for key in value.split(",") if key.strip()) if isinstance(value, str) else value

    @classmethod
    def load(cls) -> Settings:
        """Read the environment.

        Raises:
            SettingsError: naming the first invalid variable.
        """
        try:
            return cls()
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            name = str(first["loc"][0]).upper() if first["loc"] else "the environment"
            raise SettingsError(f"{name} does not fit: {first['msg']}. See docs/settings.md.") from None

    @property
    def is_local(self) -> bool:
        """Whether the portal runs on this machine only: PUBLIC_URL is a loopback address."""
        return urlsplit(self.public_url).hostname in LOOPBACK

    @property
    def working_hours(self) -> range:
        """The hours of the day that are working hours, such as 7 to 18 for `7-19`."""
        first, last = map(int, self.sync_hours.split("-"))
        return range(first, last)

    @property
    def xero_app(self) -> tuple[str, str]:
        """The client id and secret of the app registered at Xero.

        Raises:
            SettingsError: naming the variable that is not set.
        """
        secret = self.xero_client_secret.get_secret_value()
        for name, value in (("XERO_CLIENT_ID", self.xero_client_id), ("XERO_CLIENT_SECRET", secret)):
            if not value:
                raise SettingsError(f"{name} is not set: register an app at Xero as docs/xpm.md says.")
        return self.xero_client_id, secret

    @cached_property
    def vault(self) -> MultiFernet:
        """The cipher for tokens at rest.

        Raises:
            SettingsError: TOKEN_KEYS is empty or holds something that is not a Fernet key.
        """
        keys = self._token_keys()
        try:
            return MultiFernet([Fernet(key) for key in keys])
        except ValueError:
            raise SettingsError("TOKEN_KEYS holds something that is not a Fernet key (32 bytes, base64).") from None

    def derived_key(self, purpose: str) -> bytes:
        """A 32-byte key for one `purpose`, derived from the newest of TOKEN_KEYS, so that no key serves two purposes.

        Raises:
            SettingsError: TOKEN_KEYS is empty.
        """
        newest = self._token_keys()[0].encode()
        return HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose.encode()).derive(newest)

    def _token_keys(self) -> list[str]:
        if not self.token_keys:
            raise SettingsError("TOKEN_KEYS is not set: make a key with `portal-sync keys new` and put it there.")
        return [key.get_secret_value() for key in self.token_keys]
