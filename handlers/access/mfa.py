"""Multi-factor authentication (MFA): who must have a second factor, and what staff and clients do with their own."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from uuid import UUID

from config.settings import Settings
from handlers import refusals
from handlers.access import account, remembered, second_factor, sign_in_log
from handlers.access.act import Actor, by_client
from handlers.access.caller import AnyCaller
from handlers.access.origin import Origin
from handlers.access.second_factor import NewApp
from handlers.access.sign_in_log import SignInEvent
from handlers.errors import RequestRefused
from portal_db.access import passkeys as stored_passkeys
from portal_db.access import people, second_factors
from portal_db.access.credentials import SignIn
from portal_db.database import Database, Tx


class NextStep(Enum):
    """What a sign-in waits for once the password was right."""

    CODE = auto()
    SET_UP = auto()


@dataclass(frozen=True)
class OwnFactor:
    """How a member's own second factor stands."""

    login_id: UUID
    is_set_up: bool
    has_app: bool
    has_passkeys: bool
    is_mandatory: bool
    recovery_codes_left: int
    may_remember: bool


def next_step(tx: Tx, found: SignIn) -> NextStep | None:
    """What somebody's sign-in waits for; `None` if a password suffices."""
    if second_factors.is_set_up(tx, found.login.id):
        return NextStep.CODE
    return NextStep.SET_UP if people.mandates_mfa(tx, found.practice_id) else None


def own(database: Database, caller: AnyCaller) -> OwnFactor:
    with database.read() as tx:
        found = account.of(tx, caller)
        factor = second_factors.get(tx, found.login.id)
        return OwnFactor(
            found.login.id,
            factor is not None,
            factor is not None and factor.secret is not None,
            stored_passkeys.has_any(tx, found.login.id),
            people.mandates_mfa(tx, found.practice_id),
            second_factors.recovery_codes_left(tx, found.login.id),
            may_remember(tx, found),
        )


def may_remember(tx: Tx, found: SignIn) -> bool:
    """Whether the practice allows that a browser is remembered."""
    practice = people.get_practice(tx, found.practice_id)
    return practice is not None and practice.remember_browsers


def forget_browsers(database: Database, caller: AnyCaller) -> None:
    """Have a member's browsers asked for the second factor again."""
    with database.write() as tx:
        found = account.of(tx, caller)
        remembered.forget_all(tx, found.login.id)
        audit_own(tx, found, "forget_browsers")


def app_of(tx: Tx, settings: Settings, found: SignIn, sealed: str | None) -> NewApp:
    """The authenticator app that somebody sets up: a new one, or the one that was shown before.

    Raises:
        RequestRefused: the one that was shown has expired.
    """
    name, issuer = name_and_issuer(tx, found)
    return second_factor.app_to_set_up(settings, found.login.id, sealed, name=name, issuer=issuer)


def name_and_issuer(tx: Tx, found: SignIn) -> tuple[str, str]:
    """What a device calls an account, and whose it is."""
    practice = people.get_practice(tx, found.practice_id)
    return found.login.email, practice.name if practice else ""


def own_app(database: Database, settings: Settings, caller: AnyCaller, *, sealed: str | None = None) -> NewApp:
    """`app_of` for a member who is signed in."""
    with database.read() as tx:
        return app_of(tx, settings, account.of(tx, caller), sealed)


def check(
    database: Database, settings: Settings, login_id: UUID, who: SignIn | AnyCaller, code: str, origin: Origin
) -> str:
    """`second_factor.check` of somebody's code; a wrong code is in the sign-in log.

    Raises:
        RequestRefused: `bad_code`, or `TooManyCodes`.
    """
    try:
        return second_factor.check(database, settings, login_id, code)
    except RequestRefused as refusal:
        if refusal.code == refusals.BAD_CODE.code:  # of those that come too soon there may be any number
            with database.write() as tx:
                sign_in_log.note(tx, SignInEvent.SECOND_FACTOR_FAILED, who, origin)
        raise


def set_up(
    tx: Tx, settings: Settings, found: SignIn, sealed: str, code: str, origin: Origin, *, replacing: bool = False
) -> list[str]:
    """Set up somebody's authenticator app. Returns their recovery codes.

    Raises:
        RequestRefused: as `handlers.access.second_factor.set_up`.
    """
    codes = second_factor.set_up(tx, settings, found.login.id, sealed, code, replacing=replacing)
    audit_own(tx, found, "set_up")
    sign_in_log.note(tx, SignInEvent.SECOND_FACTOR_SET_UP, found, origin)
    return codes


def set_up_own(
    database: Database, settings: Settings, caller: AnyCaller, sealed: str, code: str, origin: Origin
) -> list[str]:
    """`set_up` for a member who is signed in and has confirmed that it is them, so another app may replace theirs."""
    with database.write() as tx:
        return set_up(tx, settings, account.of(tx, caller), sealed, code, origin, replacing=True)


def renew_recovery_codes(database: Database, caller: AnyCaller, origin: Origin) -> list[str]:
    """Replace a member's recovery codes."""
    with database.write() as tx:
        found = account.of(tx, caller)
        audit_own(tx, found, "recovery_codes")
        sign_in_log.note(tx, SignInEvent.RECOVERY_CODES_RENEWED, found, origin)
        return second_factor.renew_recovery_codes(tx, found.login.id)


def turn_off(database: Database, caller: AnyCaller, origin: Origin) -> None:
    """Remove a member's own second factor, where the practice does not mandate one.

    Raises:
        RequestRefused: `mfa_is_mandatory`.
    """
    with database.write() as tx:
        if people.mandates_mfa(tx, caller.practice_id):
            raise refusals.MFA_IS_MANDATORY()
        found = account.of(tx, caller)
        if second_factors.remove(tx, found.login.id):
            audit_own(tx, found, "turn_off")
            sign_in_log.note(tx, SignInEvent.SECOND_FACTOR_TURNED_OFF, found, origin)


def audit_own(tx: Tx, found: SignIn, act: str) -> None:
    """Audit what somebody did to their second factor."""
    if found.staff is not None:
        Actor.of(found.staff.id).audit(tx, f"second_factor.{act}", "staff", found.staff.id, found.practice_id)
    else:
        by_client(found.login.id).audit(tx, f"second_factor.{act}", "login", found.login.id, found.practice_id)
