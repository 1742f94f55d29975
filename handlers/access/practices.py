"""Setting up the platform by hand: practices, their staff, operators; and making MFA mandatory.

Each use case is one transaction that leaves an audit row. Who holds a login email is decided by a unique index (b.2).
"""

from __future__ import annotations

import zoneinfo
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from handlers import refusals
from handlers.access.act import Actor
from handlers.access.caller import AnyCaller, Caller
from handlers.email import addresses
from handlers.fields import SHORT_LINE, TENANT_ID, validated
from portal_db.access import people
from portal_db.database import Database, Tx
from portal_db.states import LoginKind, OperatorRole, Role
from portal_db.tables import Practice

#: Setting up the platform takes no named operator: the first one is made this way.
BY_COMMAND_LINE = Actor.of(None, "command line")


def add_practice(
    database: Database, name: str, *, time_zone: str, mfa_mandatory: bool, practice_id: UUID | None = None
) -> UUID:
    """Create a practice, with the given id if there is one.

    Raises:
        RequestRefused: the name or the time zone does not fit.
    """
    row = {
        "name": validated(SHORT_LINE, name, "name"),
        "time_zone": _known_time_zone(time_zone),
        "mfa_mandatory": mfa_mandatory,
    }
    with database.write() as tx:
        new_id = practice_id or tx.new_id()
        people.add_practice(tx, {"id": new_id, **row})
        BY_COMMAND_LINE.audit(tx, "practice.add", "practice", new_id, new_id, after=_switches(row))
    return new_id


def set_practice(
    database: Database,
    practice_id: UUID,
    *,
    name: str | None = None,
    time_zone: str | None = None,
    mfa_mandatory: bool | None = None,
    by: Actor = BY_COMMAND_LINE,
) -> None:
    """Change what is given, and leave the rest.

    Raises:
        RequestRefused: no such practice, or a value that does not fit.
    """
    asked = {
        "name": None if name is None else validated(SHORT_LINE, name, "name"),
        "time_zone": None if time_zone is None else _known_time_zone(time_zone),
        "mfa_mandatory": mfa_mandatory,
    }
    changes = {field: value for field, value in asked.items() if value is not None}
    if not changes:
        raise refusals.NOTHING_TO_CHANGE()
    with database.write() as tx:
        practice = require_practice(tx, practice_id)
        before = {field: getattr(practice, field) for field in changes}
        people.set_practice(tx, practice_id, changes)
        by.audit(
            tx, "practice.set", "practice", practice_id, practice_id, before=_switches(before), after=_switches(changes)
        )


def add_staff(
    database: Database, practice_id: UUID, name: str, email: str, role: Role, *, staff_id: UUID | None = None
) -> UUID:
    """Create a staff member of a practice, with a login.

    Raises:
        RequestRefused: no such practice, a bad name or email, or a login of the platform holds the email.
    """
    with database.write() as tx:
        require_practice(tx, practice_id)
        return new_staff(tx, practice_id, name, email, role, by=BY_COMMAND_LINE, staff_id=staff_id).staff_id


@dataclass(frozen=True)
class NewStaff:
    """Somebody who has just been added to a practice, and their login."""

    staff_id: UUID
    login_id: UUID


def new_staff(
    tx: Tx, practice_id: UUID, name: str, email: str, role: Role, *, by: Actor, staff_id: UUID | None = None
) -> NewStaff:
    """`add_staff`, as a part of a transaction."""
    name = validated(SHORT_LINE, name, "name")
    new = NewStaff(staff_id or tx.new_id(), _new_login(tx, LoginKind.STAFF, email))
    row = {"id": new.staff_id, "practice_id": practice_id, "login_id": new.login_id, "name": name, "role": role}
    people.add_staff(tx, row)
    by.audit(tx, "staff.add", "staff", new.staff_id, practice_id, after=role.value)
    return new


def add_operator(database: Database, name: str, email: str, role: OperatorRole = OperatorRole.ADMIN) -> UUID:
    """Create an operator of the platform, with a login.

    Raises:
        RequestRefused: a bad name or email, or a login of the platform holds the email.
    """
    name = validated(SHORT_LINE, name, "name")
    with database.write() as tx:
        new_id = tx.new_id()
        login_id = _new_login(tx, LoginKind.OPERATOR, email)
        people.add_operator(tx, {"id": new_id, "login_id": login_id, "name": name, "role": role.value})
        BY_COMMAND_LINE.audit(tx, "operator.add", "operator", new_id, None, after=role.value)
    return new_id


def _new_login(tx: Tx, kind: LoginKind, email: str) -> UUID:
    spelled, email_key = addresses.normalise_requested(email)
    login_id = tx.new_id()
    if not people.add_login(tx, login_id, kind, spelled, email_key):
        raise refusals.LOGIN_EMAIL_TAKEN()
    return login_id


def of_caller(database: Database, caller: AnyCaller) -> Practice:
    """The practice that somebody works at, or is a client of."""
    with database.read() as tx:
        return require_practice(tx, caller.practice_id)


def require_practice(tx: Tx, practice_id: UUID) -> Practice:
    practice = people.get_practice(tx, practice_id)
    if practice is None:
        raise refusals.UNKNOWN_PRACTICE()
    return practice


def _known_time_zone(name: str) -> str:
    """A name in the time zone database; any name on a machine that has no such database."""
    known = zoneinfo.available_timezones()
    if known and name not in known:
        raise refusals.UNKNOWN_TIME_ZONE()
    return validated(TENANT_ID, name, "time_zone")


def _switches(values: dict[str, Any]) -> str:
    """Values for the audit trail; of a name only that it was given."""
    return ", ".join(field if field == "name" else f"{field}={value}" for field, value in sorted(values.items()))


def mandate_mfa(database: Database, caller: Caller) -> None:
    """Make MFA mandatory at the caller's practice; do nothing if it already is.

    Raises:
        RequestRefused: the caller is neither owner nor account admin.
    """
    if not caller.role.may_manage:
        raise refusals.MANAGERS_ONLY()
    with database.write() as tx:
        practice = people.get_practice(tx, caller.practice_id)
        if practice is None or practice.mfa_mandatory:
            return
        people.set_practice(tx, caller.practice_id, {"mfa_mandatory": True})
        before, after = _switches({"mfa_mandatory": False}), _switches({"mfa_mandatory": True})
        actor = Actor.of(caller.staff_id)
        actor.audit(tx, "practice.set", "practice", practice.id, practice.id, before=before, after=after)
