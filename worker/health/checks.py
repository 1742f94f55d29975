"""Checks of an installation, each with what is wrong and the remedy. They change nothing, and name no person or practice.

The quick ones ask the database and Redis only, so that they can be repeated every few seconds; the others also call the
mail server and Xero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import redis
from cryptography.fernet import InvalidToken
from sqlalchemy.exc import DatabaseError

from config import exposure, spans
from config.settings import LOOPBACK, Settings, SettingsError
from config.sources import Sources
from handlers.email.smtp import SmtpMailer
from handlers.errors import RequestRefused, Transient
from handlers.outages import OPENS_AFTER, UPSTREAM_OF
from handlers.xero.tokens import identity
from portal_db.database import DATABASE_AWAY, Database
from portal_db.states import Lane
from portal_db.types import database_time
from portal_db.work import leaders, outages, workers
from portal_db.xero import logins
from worker.health.record import misfit, reason_of
from worker.queue.broker import UnsafeRedis, require_safe, require_usable
from xpm import oauth

#: The database's clock and this machine's may differ by so much.
CLOCK_SECONDS = 5.0
#: A server of somebody else that has not answered in this time counts as unreachable.
ANSWER_SECONDS = 5.0
#: So many of the tokens stored last are tried with TOKEN_KEYS.
TOKENS = 20


@dataclass(frozen=True)
class Installation:
    """What is checked: the settings, and clients made from them that need not be connected yet."""

    settings: Settings
    database: Database
    redis: redis.Redis
    sources: Sources


class CheckFailed(Exception):
    """A check found something wrong: what, and what to do."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Result:
    """What a check found. `remedy` is `None` if nothing is wrong."""

    name: str
    ok: bool
    message: str
    remedy: str | None = None


@dataclass(frozen=True)
class Check:
    """`find` returns what is right, or raises `CheckFailed`. `is_quick`: part of `/status`. `needs`: a check without which
    this one means nothing."""

    name: str
    find: Callable[[Installation], str]
    is_quick: bool = False
    needs: str | None = None


def run(installation: Installation, *, quick: bool = False) -> Iterator[Result]:
    """Run all checks, or the quick ones, in order. One that needs another that has failed is left out."""
    failed: set[str | None] = set()
    for check in CHECKS:
        if quick and not check.is_quick:
            continue
        if check.needs in failed:
            failed.add(check.name)
            continue
        result = _result(check, installation)
        if not result.ok:
            failed.add(check.name)
        yield result


def _result(check: Check, installation: Installation) -> Result:
    try:
        return Result(check.name, True, check.find(installation))
    except CheckFailed as failure:
        return Result(check.name, False, failure.message, failure.remedy)
    except (*DATABASE_AWAY, DatabaseError) as error:
        remedy = "Start the database, or correct DATABASE_URL."
        return Result(check.name, False, f"The database cannot be used: {reason_of(error)}.", remedy)
    except redis.RedisError as error:
        remedy = "Start Redis, or correct REDIS_URL."
        return Result(check.name, False, f"Redis cannot be used ({type(error).__name__}).", remedy)


def _settings(of: Installation) -> str:
    settings = of.settings
    try:
        exposure.require_safe(settings)
    except SettingsError as error:
        what, _, remedy = str(error).partition(". ")
        raise CheckFailed(f"{what}.", remedy) from None
    if not settings.is_local and not settings.public_url.startswith("https://"):
        raise CheckFailed(
            "PUBLIC_URL is not https, so cookies and links would travel unprotected.", "Make it https://…."
        )
    return "Every variable fits, and none exposes anything."


def _token_keys(of: Installation) -> str:
    try:
        vault = of.settings.vault
    except SettingsError as error:
        raise CheckFailed("TOKEN_KEYS holds no usable key.", str(error)) from None
    with of.database.read() as tx:
        sealed = [row.refresh_token or row.access_token for row in logins.newest(tx, limit=TOKENS)]
    stored = [each for each in sealed if each is not None]
    unreadable = 0
    for token in stored:
        try:
            vault.decrypt(token)
        except InvalidToken:
            unreadable += 1
    if unreadable:
        raise CheckFailed(
            f"{unreadable} of the {len(stored)} tokens stored last cannot be decrypted with TOKEN_KEYS.",
            "Put the key that encrypted them back, at the end of TOKEN_KEYS.",
        )
    return f"The {len(stored)} tokens stored last can be decrypted."


def _database(of: Installation) -> str:
    with of.database.read() as tx:
        database_time(tx.session)
    return f"{'PostgreSQL' if of.database.is_postgresql else 'SQLite'} answers."


def _migrations(of: Installation) -> str:
    from portal_db.migrate import standing  # a third of a second to import, which each worker would pay at its start

    found = standing(of.database)
    if not found.fits:
        what, remedy = misfit(found)
        raise CheckFailed(f"{what}.", f"{remedy[0].upper()}{remedy[1:]}.")
    return f"The tables are at revision {found.current}, and this version works with them."


def _clock(of: Installation) -> str:
    with of.database.read() as tx:
        before = of.sources.now()
        there = database_time(tx.session)
        after = of.sources.now()
    ahead = max((before - there).total_seconds(), (there - after).total_seconds(), 0.0)
    if ahead > CLOCK_SECONDS:
        raise CheckFailed(
            f"This machine's clock and the database's differ by {ahead:.0f} seconds.",
            "Set both by NTP. Until then times in logs and signatures of webhooks are wrong.",
        )
    return "This machine's clock agrees with the database's."


def _redis(of: Installation) -> str:
    of.redis.ping()
    _require(require_safe, of)
    return "Redis answers, and drops no queued work."


def _redis_rights(of: Installation) -> str:
    _require(lambda client: require_usable(client, of.settings.redis_namespace), of)
    return "Redis is recent enough, and its user may do what we need."


def _require(check: Callable[[redis.Redis], None], of: Installation) -> None:
    try:
        check(of.redis)
    except UnsafeRedis as error:
        what, _, remedy = str(error).partition(". ")
        raise CheckFailed(f"{what}.", remedy) from None


def _relay(of: Installation) -> str:
    with of.database.read() as tx:
        is_held = leaders.is_held(tx, leaders.RELAY)
    if not is_held:
        raise CheckFailed("No relay leads: batches, retries, emails and schedules stand still.", "Start a relay.")
    return "A relay leads."


def _workers(of: Installation) -> str:
    with of.database.read() as tx:
        consumed = workers.lanes_consumed(tx)
    missing = [lane.value for lane in Lane if lane not in consumed]
    if missing:
        raise CheckFailed(
            f"No worker takes jobs of {' and '.join(missing)}.", "Start a worker for each lane, as in the Procfile."
        )
    return "Every lane has a worker."


def _outages(of: Installation) -> str:
    with of.database.read() as tx:
        away = outages.current(tx, failures=OPENS_AFTER)
    if away:
        words = {upstream.name: upstream.words for upstream in UPSTREAM_OF.values()}
        what = "; ".join(f"{words.get(one.upstream, one.upstream)} {one.reason}" for one in away)
        raise CheckFailed(f"Jobs wait for a server: {what}.", "Jobs go on by themselves once it answers.")
    return "No job waits for the mail server or XPM to come back."


def _mail(of: Installation) -> str:
    try:
        mailer = SmtpMailer(of.settings.smtp_url)
        is_encrypted = mailer.check()
    except SettingsError as error:
        raise CheckFailed("SMTP_URL does not fit.", str(error)) from None
    except Transient as error:
        what = error.message.removesuffix("; nothing was sent.")
        raise CheckFailed(f"{what}.", "Check SMTP_URL: host, port, password, and ?starttls=require.") from None
    if not is_encrypted and urlsplit(of.settings.smtp_url).hostname not in LOOPBACK:
        raise CheckFailed(
            "Emails travel to the mail server without TLS, and its password too.",
            "Add ?starttls=require to SMTP_URL, or use smtps://.",
        )
    return f"The mail server accepts our login, {'over TLS' if is_encrypted else 'without TLS on this machine'}."


def _xpm(of: Installation) -> str:
    try:
        with oauth.Http(seconds=ANSWER_SECONDS) as http:
            status = http.send("GET", f"{of.settings.xpm_api_url.rstrip('/')}/client.api/list", {}).status_code
    except oauth.XeroAuthError:
        raise CheckFailed("XPM cannot be reached.", "Check XPM_API_URL, and the way out to port 443.") from None
    if status >= 500:
        raise CheckFailed(f"XPM answers with status {status}.", "Wait, or look at Xero's status page.")
    return "XPM answers."  # with 401, since no token was sent


def _xero(of: Installation) -> str:
    """Offer a made-up token for renewal: Xero refuses it, but first it checks our app."""
    try:
        with oauth.Http(seconds=ANSWER_SECONDS) as http:
            identity(of.settings, http).refresh("portal-sync-doctor")
    except oauth.GrantRefused:
        pass
    except SettingsError as error:
        raise CheckFailed("The app registered at Xero is not set.", str(error)) from None
    except oauth.AppRefused:
        raise CheckFailed("Xero does not accept our app.", "Check XERO_CLIENT_ID and XERO_CLIENT_SECRET.") from None
    except oauth.XeroAuthError:
        raise CheckFailed(
            "Xero's sign-in service cannot be reached.", "Check XERO_IDENTITY_URL, and the way out to port 443."
        ) from None
    return "Xero's sign-in service answers, and accepts our app."


def _single_sign_on(of: Installation) -> str:
    if not of.settings.ops_oidc_issuer:
        return "Operators sign in with password and code: OPS_OIDC_ISSUER is not set."
    from handlers.access.single_sign_on import Provider  # the start of each worker would take a twentieth longer

    try:
        with oauth.Http(seconds=ANSWER_SECONDS) as http:
            Provider(of.settings, http, redirect_uri="").metadata()
    except RequestRefused as refused:
        raise CheckFailed(refused.message, "Check OPS_OIDC_ISSUER, and the way out to it.") from None
    return "The OpenID provider of operators answers."


def _traces(of: Installation) -> str:
    if not of.settings.otel_exporter_otlp_endpoint:
        return "Traces are not sent: OTEL_EXPORTER_OTLP_ENDPOINT is not set."
    try:
        is_reached = spans.is_reached(of.settings)
    except SettingsError as error:
        raise CheckFailed("Traces cannot be sent.", str(error)) from None
    if not is_reached:
        raise CheckFailed(
            "The collector takes no traces from us; they are lost, and nothing else is affected.",
            "Check OTEL_EXPORTER_OTLP_ENDPOINT and OTEL_EXPORTER_OTLP_HEADERS.",
        )
    return "Traces are sent, and the collector takes them."


CHECKS: tuple[Check, ...] = (
    Check("settings", _settings),
    Check("database", _database, is_quick=True),
    Check("migrations", _migrations, is_quick=True, needs="database"),
    Check("clock", _clock, is_quick=True, needs="database"),
    Check("token_keys", _token_keys, needs="migrations"),
    Check("redis", _redis, is_quick=True),
    Check("redis_rights", _redis_rights, needs="redis"),
    Check("relay", _relay, is_quick=True, needs="migrations"),
    Check("workers", _workers, is_quick=True, needs="migrations"),
    Check("outages", _outages, is_quick=True, needs="migrations"),
    Check("mail", _mail),
    Check("xpm", _xpm),
    Check("xero", _xero),
    Check("single_sign_on", _single_sign_on),
    Check("traces", _traces),
)
