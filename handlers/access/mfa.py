"""Multi-factor authentication (MFA) of staff: who must have a second factor, and what members do with their own."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from uuid import UUID

from config.settings import Settings
from handlers import refusals
from handlers.access import remembered, second_factor, sign_in_log
from handlers.access.act import Actor
from handlers.access.caller import Caller
from handlers.access.origin import Origin
from handlers.access.second_factor import NewApp
from handlers.access.sign_in_log import SignInEvent
from handlers.errors import RequestRefused
from portal_db.access import credentials, people, second_factors
from portal_db.database import Database, Tx
from portal_db.tables import Staff


class NextStep(Enum):
    """What a sign-in waits for once the password was right."""

    CODE = auto()
    SET_UP = auto()


@dataclass(frozen=True)
class OwnFactor:
    """How a member's own second factor stands."""

    login_id: UUID
    is_set_up: bool
    is_mandatory: bool
    recovery_codes_left: int
    may_remember: bool


def next_step(tx: Tx, staff: Staff) -> NextStep | None:
    """What a staff member's sign-in waits for; `None` if a password suffices."""
    if second_factors.is_set_up(tx, staff.login_id):
        return NextStep.CODE
    return NextStep.SET_UP if people.mandates_mfa(tx, staff.practice_id) else None


def own(database: Database, caller: Caller) -> OwnFactor:
    with database.read() as tx:
        staff = staff_row(tx, caller)
        return OwnFactor(
            staff.login_id,
            second_factors.is_set_up(tx, staff.login_id),
            people.mandates_mfa(tx, staff.practice_id),
            second_factors.recovery_codes_left(tx, staff.login_id),
            may_remember(tx, staff),
        )


def may_remember(tx: Tx, staff: Staff) -> bool:
    """Whether the practice allows that a browser is remembered."""
    practice = people.get_practice(tx, staff.practice_id)
    return practice is not None and practice.remember_browsers


def forget_browsers(database: Database, caller: Caller) -> None:
    """Have a member's browsers asked for the second factor again."""
    with database.write() as tx:
        staff = staff_row(tx, caller)
        remembered.forget_all(tx, staff.login_id)
        audit_own(tx, staff, "forget_browsers")


def app_of(tx: Tx, settings: Settings, staff: Staff, sealed: str | None) -> NewApp:
    """The authenticator app that a staff member sets up: a new one, or the one that was shown before.

    Raises:
        RequestRefused: the one that was shown has expired.
    """
    name, issuer = name_and_issuer(tx, staff)
    return second_factor.app_to_set_up(settings, staff.login_id, sealed, name=name, issuer=issuer)


def name_and_issuer(tx: Tx, staff: Staff) -> tuple[str, str]:
    """What a device calls a staff member's account, and whose it is."""
    practice = people.get_practice(tx, staff.practice_id)
    return credentials.login(tx, staff.login_id).email, practice.name if practice else ""


def own_app(database: Database, settings: Settings, caller: Caller, *, sealed: str | None = None) -> NewApp:
    """`app_of` for a member who is signed in."""
    with database.read() as tx:
        return app_of(tx, settings, staff_row(tx, caller), sealed)


def check(
    database: Database, settings: Settings, login_id: UUID, who: Staff | Caller, code: str, origin: Origin
) -> None:
    """`second_factor.check` of a staff member; a wrong code is in the sign-in log.

    Raises:
        RequestRefused: `bad_code`, or `TooManyCodes`.
    """
    try:
        second_factor.check(database, settings, login_id, code)
    except RequestRefused as refusal:
        if refusal.code == refusals.BAD_CODE.code:  # of those that come too soon there may be any number
            with database.write() as tx:
                sign_in_log.note(tx, SignInEvent.SECOND_FACTOR_FAILED, who, origin)
        raise


def set_up(
    tx: Tx, settings: Settings, staff: Staff, sealed: str, code: str, origin: Origin, *, replacing: bool = False
) -> list[str]:
    """Set up a staff member's authenticator app. Returns their recovery codes.

    Raises:
        RequestRefused: as `handlers.access.second_factor.set_up`.
    """
    codes = second_factor.set_up(tx, settings, staff.login_id, sealed, code, replacing=replacing)
    audit_own(tx, staff, "set_up")
    sign_in_log.note(tx, SignInEvent.SECOND_FACTOR_SET_UP, staff, origin)
    return codes


def set_up_own(
    database: Database, settings: Settings, caller: Caller, sealed: str, code: str, origin: Origin
) -> list[str]:
    """`set_up` for a member who is signed in and has confirmed that it is them, so another app may replace theirs."""
    with database.write() as tx:
        return set_up(tx, settings, staff_row(tx, caller), sealed, code, origin, replacing=True)


def renew_recovery_codes(database: Database, caller: Caller, origin: Origin) -> list[str]:
    """Replace a member's recovery codes."""
    with database.write() as tx:
        staff = staff_row(tx, caller)
        audit_own(tx, staff, "recovery_codes")
        sign_in_log.note(tx, SignInEvent.RECOVERY_CODES_RENEWED, staff, origin)
        return second_factor.renew_recovery_codes(tx, staff.login_id)


def turn_off(database: Database, caller: Caller, origin: Origin) -> None:
    """Remove a member's own second factor, where the practice does not mandate one.

    Raises:
        RequestRefused: `mfa_is_mandatory`.
    """
    with database.write() as tx:
        if people.mandates_mfa(tx, caller.practice_id):
            raise refusals.MFA_IS_MANDATORY()
        staff = staff_row(tx, caller)
        if second_factors.remove(tx, staff.login_id):
            audit_own(tx, staff, "turn_off")
            sign_in_log.note(tx, SignInEvent.SECOND_FACTOR_TURNED_OFF, staff, origin)


def audit_own(tx: Tx, staff: Staff, act: str) -> None:
    """Audit what a staff member did to their second factor."""
    Actor.of(staff.id).audit(tx, f"second_factor.{act}", "staff", staff.id, staff.practice_id)


def staff_row(tx: Tx, caller: Caller) -> Staff:
    """The row of a caller.

    Raises:
        RequestRefused: they do not work here (any more).
    """
    staff = people.get_staff(tx, caller.staff_id, practice_id=caller.practice_id)
    if staff is None:
        raise refusals.UNKNOWN_STAFF()
    return staff
