"""What owners and account admins decide about the sign-ins of their members: second factors, and open sessions.

Only an owner resets a second factor, and only an owner signs an owner out.
"""

from __future__ import annotations

from uuid import UUID

from handlers import refusals
from handlers.access import sign_in_log, staff
from handlers.access.act import Act, Actor
from handlers.access.caller import Caller
from handlers.access.origin import Origin
from handlers.access.sign_in_log import SignInEvent
from portal_db.access import credentials, people, second_factors
from portal_db.database import Database, Tx
from portal_db.states import Role
from portal_db.tables import Staff


def reset(database: Database, caller: Caller, staff_id: UUID, origin: Origin) -> None:
    """Take away a colleague's second factor, because they lost it. They are signed out and set up another one.

    Raises:
        RequestRefused: the caller is not an owner, it is their own, or there is nothing to reset.
    """
    if staff_id == caller.staff_id:
        raise refusals.OWN_SECOND_FACTOR()
    with database.write() as tx:
        if staff.require_may(tx, caller) is not Role.OWNER:
            raise refusals.RESET_BY_OWNERS()
        _reset(tx, Actor.of(caller.staff_id), staff_id, caller.practice_id, origin)


def reset_by_operator(database: Database, act: Act, staff_id: UUID, practice_id: UUID) -> None:
    """`reset` by an operator, for an owner who has no colleague.

    Raises:
        RequestRefused: nobody with this id works there, or there is nothing to reset.
    """
    with database.write() as tx:
        _reset(tx, act, staff_id, practice_id, None)


def sign_out(database: Database, caller: Caller, staff_id: UUID, origin: Origin) -> None:
    """End a member's sessions, because their device is lost or something looks wrong; one's own too.

    Raises:
        RequestRefused: the caller may not, or nobody with this id works there.
    """
    with database.write() as tx:
        staff.require_may(tx, caller)
        member = _member(tx, staff_id, caller.practice_id)
        staff.require_may(tx, caller, member.role)
        credentials.end_sessions_of_login(tx, member.login_id)
        Actor.of(caller.staff_id).audit(tx, "staff.sign_out", "staff", staff_id, caller.practice_id)
        sign_in_log.note(tx, SignInEvent.SESSIONS_ENDED, member, origin, detail="all, by a manager")


def set_remembering(database: Database, caller: Caller, allowed: bool) -> None:
    """Allow or forbid that members have a browser remembered.

    Raises:
        RequestRefused: the caller is neither owner nor account admin.
    """
    if not caller.role.may_manage:
        raise refusals.MANAGERS_ONLY()
    with database.write() as tx:
        practice = people.get_practice(tx, caller.practice_id)
        if practice is None or practice.remember_browsers == allowed:
            return
        people.set_practice(tx, practice.id, {"remember_browsers": allowed})
        before, after = f"remember_browsers={not allowed}", f"remember_browsers={allowed}"
        Actor.of(caller.staff_id).audit(
            tx, "practice.set", "practice", practice.id, practice.id, before=before, after=after
        )


def _reset(tx: Tx, actor: Actor, staff_id: UUID, practice_id: UUID, origin: Origin | None) -> None:
    member = _member(tx, staff_id, practice_id)
    if not second_factors.remove(tx, member.login_id):
        raise refusals.NO_SECOND_FACTOR()
    credentials.end_sessions_of_login(tx, member.login_id)
    actor.audit(tx, "second_factor.reset", "staff", staff_id, practice_id)
    sign_in_log.note(tx, SignInEvent.SECOND_FACTOR_RESET, member, origin)


def _member(tx: Tx, staff_id: UUID, practice_id: UUID) -> Staff:
    member = people.at_work(tx, staff_id, practice_id=practice_id)
    if member is None:
        raise refusals.UNKNOWN_STAFF()
    return member
