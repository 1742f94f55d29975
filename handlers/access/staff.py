"""Who works at a practice, as its owners and account admins decide: inviting people, and their roles.

Only an owner adds, changes or deactivates an owner, and nobody their own role, so a practice keeps at least one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from handlers import refusals
from handlers.access import password_reset, taken_addresses
from handlers.access.act import Act
from handlers.access.caller import Caller, Scope
from handlers.access.practices import new_staff
from handlers.services import Bell
from portal_db.access import members, people
from portal_db.access.members import Member
from portal_db.database import Database, Tx
from portal_db.states import Role


def listing(database: Database, caller: Caller) -> Sequence[Member]:
    """Everybody of the caller's practice, by name; who has left comes last.

    Raises:
        RequestRefused: the caller is neither owner nor account admin.
    """
    caller.require(Scope.MANAGE)
    with database.read() as tx:
        return members.of_practice(tx, caller.practice_id)


def names(database: Database, caller: Caller) -> Mapping[UUID, str]:
    """The names of the practice's staff by id, also of those who have left."""
    with database.read() as tx:
        return people.staff_names(tx, caller.practice_id)


def get(database: Database, caller: Caller, staff_id: UUID) -> Member:
    """Somebody of the caller's practice.

    Raises:
        RequestRefused: the caller is neither owner nor account admin, or there is nobody with this id.
    """
    caller.require(Scope.MANAGE)
    with database.read() as tx:
        found = members.get(tx, caller.practice_id, staff_id)
    if found is None:
        raise refusals.UNKNOWN_COLLEAGUE()
    return found


def invite(database: Database, bell: Bell, caller: Caller, name: str, email: str, role: Role) -> UUID:
    """Add somebody, and send them an email with a link to set their password.

    Raises:
        RequestRefused: the caller may not, a bad name or email, or a login of the platform has the email.
    """
    with taken_addresses.counted(database, caller.practice_id, email), database.write() as tx:
        require_may(tx, caller, role)
        new = new_staff(tx, caller.practice_id, name, email, role, by=Act.of_staff(caller))
        job = password_reset.add_email(tx, new.login_id, caller.practice_id, is_invitation=True)
    bell.ring(job.lane, [job.id])
    return new.staff_id


def invite_again(database: Database, bell: Bell, caller: Caller, staff_id: UUID) -> None:
    """Send somebody who has no password yet another link.

    Raises:
        RequestRefused: the caller may not, nobody with this id works there, or they have a password.
    """
    with database.write() as tx:
        found = require_changeable(tx, caller, staff_id)
        if found.has_password:
            raise refusals.PASSWORD_ALREADY_SET()
        job = password_reset.add_email(tx, found.staff.login_id, caller.practice_id, is_invitation=True)
        Act.of_staff(caller).audit(tx, "staff.invite", "staff", staff_id, caller.practice_id)
    bell.ring(job.lane, [job.id])


def set_role(database: Database, caller: Caller, staff_id: UUID, role: Role) -> None:
    """Give somebody another role, which counts from their next request.

    Raises:
        RequestRefused: the caller may not, or nobody with this id works there.
    """
    with database.write() as tx:
        before = require_changeable(tx, caller, staff_id, role).staff.role
        if before is not role:
            members.set_role(tx, staff_id, role)
            Act.of_staff(caller).audit(
                tx, "staff.role", "staff", staff_id, caller.practice_id, before=before.value, after=role.value
            )


def require_changeable(tx: Tx, caller: Caller, staff_id: UUID, *roles: Role) -> Member:
    """Somebody whom the caller may change, and to these roles.

    Raises:
        RequestRefused: the caller may not, or nobody with this id works there.
    """
    if staff_id == caller.staff_id:
        raise refusals.OWN_ROLE()
    require_may(tx, caller)
    found = members.get(tx, caller.practice_id, staff_id)
    if found is None or found.staff.left_at is not None:
        raise refusals.UNKNOWN_COLLEAGUE()
    require_may(tx, caller, found.staff.role, *roles)
    return found


def require_may(tx: Tx, caller: Caller, *roles: Role) -> Role:
    """Check that the caller manages the practice, by their role now, and is an owner if one of the roles is.

    Returns:
        Their role now.

    Raises:
        RequestRefused: the caller may not.
    """
    caller.require(Scope.MANAGE)
    members.lock(tx, caller.practice_id)
    now = people.at_work(tx, caller.staff_id, practice_id=caller.practice_id)
    if now is None or not now.role.may_manage:
        raise refusals.MANAGERS_ONLY()
    if Role.OWNER in roles and now.role is not Role.OWNER:
        raise refusals.OWNERS_ONLY()
    return now.role
