"""What an installation must not start with: settings that would show secrets or personal data to others, or let them in.

Each check looks at an address that leads to another machine, or at what this one shows to others; everything on loopback
passes. A refusal names the setting and the way out.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from config.settings import Settings, SettingsError

#: A port after a host, as in `host=db1:5432,db2:5432`.
_PORT = re.compile(r"(?<=[^:]):\d+$")
#: What the client of Redis takes for no.
_FALSE = ("0", "F", "FALSE", "N", "NO")
_XERO = ("xpm_api_url", "xero_authorize_url", "xero_identity_url", "xero_connections_url")


def require_safe(settings: Settings) -> None:
    """Pass if nothing here is exposed to others.

    Raises:
        SettingsError: naming the first setting that exposes something, and what to do.
    """
    for check in CHECKS:
        for fault in check(settings):
            raise SettingsError(f"{fault} See docs/settings.md.")


def is_loopback(host: str | None) -> bool:
    """Whether a host is this machine only."""
    if host is None:
        return False
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _database(settings: Settings) -> Iterator[str]:
    """All that is kept of people travels there."""
    parts = urlsplit(settings.database_url)
    if not parts.scheme.startswith("postgresql") or settings.database_trusted_network:
        return
    query = parse_qs(parts.query)
    named = [parts.hostname] if parts.hostname else ",".join(query.get("host", ())).split(",")
    hosts = [_PORT.sub("", host).strip("[]") for host in named if host and not host.startswith("/")]
    is_encrypted = query.get("sslmode", [""])[-1] in ("require", "verify-ca", "verify-full")
    if not is_encrypted and not all(map(is_loopback, hosts)):
        yield (
            "DATABASE_URL leads to another machine without TLS. Add ?sslmode=verify-full, or set"
            " DATABASE_TRUSTED_NETWORK=true if nobody else reaches the network between."
        )


def _redis(settings: Settings) -> Iterator[str]:
    """Redis holds requests with names and addresses, and what it says is done."""
    parts = urlsplit(settings.redis_url)
    if parts.scheme not in ("redis", "rediss") or is_loopback(parts.hostname) or settings.redis_trusted_network:
        return
    has = {
        "TLS": parts.scheme == "rediss",
        "checking its certificate": _checks_certificate(parts),
        "a password": _has_password(parts),
    }
    lacks = [what for what, is_there in has.items() if not is_there]
    if lacks:
        yield (
            f"REDIS_URL leads to another machine without {' and '.join(lacks)}. Use rediss://USER:PASSWORD@HOST, with"
            " ?ssl_ca_certs=FILE for an authority of your own, or set REDIS_TRUSTED_NETWORK=true if nobody else reaches the"
            " network between."
        )


def _checks_certificate(parts: SplitResult) -> bool:
    """Without that, whoever is between the two takes Redis's place. It is the client's default."""
    query = parse_qs(parts.query)
    is_any_taken = any(given != "required" for given in query.get("ssl_cert_reqs", ()))
    is_any_host = any(given.upper() in _FALSE for given in query.get("ssl_check_hostname", ()))
    return not is_any_taken and not is_any_host


def _has_password(parts: SplitResult) -> bool:
    return bool(parts.password or parse_qs(parts.query).get("password"))


def _xero(settings: Settings) -> Iterator[str]:
    """Tokens of firms travel there."""
    for name in _XERO:
        parts = urlsplit(getattr(settings, name))
        if parts.scheme != "https" and not is_loopback(parts.hostname):
            yield f"{name.upper()} is not https://, so tokens would travel unencrypted. Use https://."


def _smtp(settings: Settings) -> Iterator[str]:
    parts = urlsplit(settings.smtp_url)
    is_encrypted = parts.scheme == "smtps" or parse_qs(parts.query).get("starttls") == ["require"]
    if parts.username and not is_encrypted and not is_loopback(parts.hostname):
        yield "SMTP_URL sends its password unencrypted. Use smtps://, or add ?starttls=require."


def _web(settings: Settings) -> Iterator[str]:
    """Whoever listens to others serves them under the address in links, by which cookies and webhooks are kept safe."""
    return _served("WEB_HOST", settings.web_host, "PUBLIC_URL", settings.public_url, "portal")


def _ops(settings: Settings) -> Iterator[str]:
    """Operators see all firms. On loopback no TLS is asked of the console, and its cookies are those of any http:// page."""
    yield from _served("OPS_HOST", settings.ops_host, "OPS_URL", settings.ops_url, "console")
    issuer = urlsplit(settings.ops_oidc_issuer)
    if issuer.scheme == "http" and not is_loopback(issuer.hostname):
        yield "OPS_OIDC_ISSUER is not https://, so whoever is between could sign in as any operator. Use https://."


def _served(host_name: str, host: str, url_name: str, url: str, what: str) -> Iterator[str]:
    address = urlsplit(url)
    if not is_loopback(host) and (address.scheme != "https" or is_loopback(address.hostname)):
        yield (
            f"{host_name} {host} listens to other machines, but {url_name} is {url}. Set {url_name} to the {what}'s"
            f" https:// address, or {host_name} to 127.0.0.1."
        )


def _unsigned(settings: Settings) -> Iterator[str]:
    here_only = settings.is_local and is_loopback(settings.web_host) and is_loopback(settings.ops_host)
    if settings.unsigned_requests and not (here_only and is_loopback(urlsplit(settings.redis_url).hostname)):
        yield (
            "UNSIGNED_REQUESTS=true lets whoever can write to Redis open accounts. Unset it, and make producers with"
            " `portal-sync producer add`."
        )


def _files(settings: Settings) -> Iterator[str]:
    """A SQLite database is a file; with its folder it is for its owner alone."""
    scheme, _, path = settings.database_url.partition(":///")
    if not scheme.startswith("sqlite") or settings.is_local:
        return
    file = Path(unquote(path.partition("?")[0]))
    for place, mode in ((file.parent, "700"), (file, "600")):
        if place.exists() and stat.S_IMODE(place.stat().st_mode) & 0o077:
            yield f"DATABASE_URL: others on this machine can read {place}. Run chmod {mode} {place}."


CHECKS: tuple[Callable[[Settings], Iterator[str]], ...] = (
    _database,
    _redis,
    _xero,
    _smtp,
    _web,
    _ops,
    _unsigned,
    _files,
)
