"""What whoever runs the platform does by hand: practices, the people who work there, operators, connections to XPM.

Each use case is one transaction that leaves an audit row. Who holds a login email is decided by a unique index (b.2).
"""

from __future__ import annotations

import zoneinfo
from datetime import timedelta
from typing import Annotated, Any, TypeVar
from uuid import UUID

from cryptography.fernet import MultiFernet
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, SecretStr, TypeAdapter, ValidationError

from handlers import addresses
from handlers.directory_syncs import sync_on_connecting
from handlers.errors import Rejected
from handlers.requests import Line, RequestRefused
from portal_db import audit, people, upstream
from portal_db.database import Database, Tx
from portal_db.states import ActorKind, LoginKind, Role
from portal_db.tables import Practice
from portal_db.types import database_time

T = TypeVar("T")

_name = TypeAdapter(Annotated[Line, Field(max_length=200)])
_tenant_id = TypeAdapter(Annotated[Line, Field(max_length=64)])


class Grant(BaseModel):
    """The tokens Xero gave somebody, as its token endpoint answers, and whose they are. `expires_in` is in seconds."""

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    xero_user_id: Annotated[Line, Field(max_length=64)]
    access_token: Annotated[SecretStr, Field(min_length=1, max_length=10_000)]
    refresh_token: Annotated[SecretStr, Field(min_length=1, max_length=10_000)] | None = None
    expires_in: PositiveInt = 1800


def read_grant(fields: dict[str, Any]) -> Grant:
    """Tokens from plain data.

    Raises:
        RequestRefused: naming the field that does not fit, never what it holds.
    """
    try:
        return Grant.model_validate(fields)
    except ValidationError as error:
        raise _misfit(error) from None


def add_practice(
    database: Database, name: str, *, time_zone: str, mfa_mandatory: bool, practice_id: UUID | None = None
) -> UUID:
    """Make a practice; `practice_id` is for those who must know it beforehand.

    Raises:
        RequestRefused: the name or the time zone does not fit.
    """
    row = {
        "name": _fits(_name, name, "name"),
        "time_zone": _known_time_zone(time_zone),
        "mfa_mandatory": mfa_mandatory,
    }
    with database.write() as tx:
        new_id = practice_id or tx.new_id()
        people.add_practice(tx, {"id": new_id, **row})
        _audited(tx, "practice.add", "practice", new_id, new_id, after=_switches(row))
    return new_id


def set_practice(
    database: Database,
    practice_id: UUID,
    *,
    name: str | None = None,
    time_zone: str | None = None,
    mfa_mandatory: bool | None = None,
) -> None:
    """Change what is given, and leave the rest.

    Raises:
        RequestRefused: no such practice, or a value that does not fit.
    """
    asked = {
        "name": None if name is None else _fits(_name, name, "name"),
        "time_zone": None if time_zone is None else _known_time_zone(time_zone),
        "mfa_mandatory": mfa_mandatory,
    }
    changes = {field: value for field, value in asked.items() if value is not None}
    if not changes:
        raise RequestRefused("bad_request", "There is nothing to change.", "Say what to change.")
    with database.write() as tx:
        practice = _require_practice(tx, practice_id)
        before = {field: getattr(practice, field) for field in changes}
        people.set_practice(tx, practice_id, changes)
        _audited(
            tx, "practice.set", "practice", practice_id, practice_id, before=_switches(before), after=_switches(changes)
        )


def add_staff(
    database: Database, practice_id: UUID, name: str, email: str, role: Role, *, staff_id: UUID | None = None
) -> UUID:
    """Make somebody who works at a practice, with a login.

    Raises:
        RequestRefused: no such practice, a bad name or email, or a login of the platform holds the email.
    """
    name = _fits(_name, name, "name")
    with database.write() as tx:
        _require_practice(tx, practice_id)
        new_id = staff_id or tx.new_id()
        login_id = _new_login(tx, LoginKind.STAFF, email)
        people.add_staff(
            tx, {"id": new_id, "practice_id": practice_id, "login_id": login_id, "name": name, "role": role}
        )
        _audited(tx, "staff.add", "staff", new_id, practice_id, after=role.value)
    return new_id


def add_operator(database: Database, name: str, email: str) -> UUID:
    """Make somebody who looks after the platform, with a login.

    Raises:
        RequestRefused: a bad name or email, or a login of the platform holds the email.
    """
    name = _fits(_name, name, "name")
    with database.write() as tx:
        new_id = tx.new_id()
        login_id = _new_login(tx, LoginKind.OPERATOR, email)
        people.add_operator(tx, {"id": new_id, "login_id": login_id, "name": name})
        _audited(tx, "operator.add", "operator", new_id, None)
    return new_id


def connect_by_hand(
    database: Database,
    vault: MultiFernet,
    grant: Grant,
    *,
    practice_id: UUID,
    staff_id: UUID,
    tenant_id: str,
    tenant_name: str | None = None,
) -> UUID:
    """Connect a staff member to an XPM tenant with tokens that were got elsewhere.

    Raises:
        RequestRefused: unknown practice or staff, MFA not mandatory (b.14), or connected already.
    """
    tenant = _fits(_tenant_id, tenant_id, "tenant_id")
    label = None if tenant_name is None else _fits(_name, tenant_name, "tenant_name")
    with database.write() as tx:
        _require_mfa(_require_practice(tx, practice_id))
        _require_staff(tx, staff_id, practice_id)
        row = {
            "id": tx.new_id(),
            "practice_id": practice_id,
            "staff_id": staff_id,
            "xero_login_id": _keep_tokens(tx, vault, grant),
            "tenant_id": tenant,
            "tenant_name": label,
        }
        if not upstream.add_connection(tx, row):
            raise RequestRefused(
                "already_connected",
                "This staff member is connected to XPM already.",
                "Disconnect it first, or add the connection for somebody else.",
                field="staff_id",
            )
        _audited(tx, "connection.add", "connection", row["id"], practice_id, after="connected")
        sync_on_connecting(tx, upstream.connection(tx, UUID(str(row["id"]))))
        return UUID(str(row["id"]))


def renew_tokens(database: Database, vault: MultiFernet, grant: Grant) -> None:
    """Put newer tokens in the place of a Xero user's older ones; the connections stay as they are."""
    with database.write() as tx:
        _keep_tokens(tx, vault, grant)


def _keep_tokens(tx: Tx, vault: MultiFernet, grant: Grant) -> UUID:
    refresh = grant.refresh_token
    return upstream.keep_xero_login(
        tx,
        {
            "id": tx.new_id(),
            "xero_user_id": grant.xero_user_id,
            "access_token": vault.encrypt(grant.access_token.get_secret_value().encode()),
            "refresh_token": vault.encrypt(refresh.get_secret_value().encode()) if refresh else None,
            "access_expires_at": database_time(tx.session) + timedelta(seconds=grant.expires_in),
        },
    )


def _new_login(tx: Tx, kind: LoginKind, email: str) -> UUID:
    try:
        spelled, email_key = addresses.normalise(email)
    except Rejected as rejected:
        raise RequestRefused(rejected.code, rejected.message, "Correct it.", field="email") from None
    login_id = tx.new_id()
    if not people.take_email(tx, login_id, kind, spelled, email_key):
        raise RequestRefused(
            "email_taken",
            "This email address is already used by a login of the portal.",
            "Give another one: each address belongs to one login of the whole platform.",
            field="email",
        )
    return login_id


def _require_practice(tx: Tx, practice_id: UUID) -> Practice:
    practice = people.get_practice(tx, practice_id)
    if practice is None:
        raise RequestRefused(
            "unknown_practice", "There is no practice with this id.", "Check the id.", field="practice_id"
        )
    return practice


def _require_mfa(practice: Practice) -> None:
    if not practice.mfa_mandatory:
        raise RequestRefused(
            "mfa_not_mandatory",
            "Multi-factor authentication is not mandatory at this practice, which Xero requires.",
            "Mandate it first: portal-sync practice set ID --mfa",
            field="practice_id",
        )


def _require_staff(tx: Tx, staff_id: UUID, practice_id: UUID) -> None:
    staff = people.get_staff(tx, staff_id, practice_id=practice_id)
    if staff is None or staff.left_at is not None:
        raise RequestRefused(
            "unknown_staff",
            "Nobody with this id works at the practice.",
            "Give the id of a staff member of this practice.",
            field="staff_id",
        )


def _known_time_zone(name: str) -> str:
    """A name of the time zone database; where a machine has none, any name is taken."""
    known = zoneinfo.available_timezones()
    if known and name not in known:
        raise RequestRefused(
            "bad_request", "This is not a known time zone.", "Give one such as Australia/Sydney.", field="time_zone"
        )
    return _fits(_tenant_id, name, "time_zone")


def _fits(shape: TypeAdapter[T], value: Any, field: str) -> T:
    try:
        return shape.validate_python(value)
    except ValidationError as error:
        raise _misfit(error, field) from None


def _misfit(error: ValidationError, field: str | None = None) -> RequestRefused:
    first = error.errors(include_url=False, include_input=False)[0]
    name = field or ".".join(str(part) for part in first["loc"])
    reason = first["msg"].removeprefix("Value error, ")
    if first["type"] == "too_long":
        reason = f"must be at most {first['ctx']['max_length']} characters"
    return RequestRefused("bad_request", f"{name}: {reason}.", "Correct it.", field=name)


def _switches(values: dict[str, Any]) -> str:
    """Values for the audit trail; a name is only said to be there."""
    return ", ".join(field if field == "name" else f"{field}={value}" for field, value in sorted(values.items()))


def _audited(
    tx: Tx,
    action: str,
    subject: str,
    subject_id: Any,
    practice_id: UUID | None,
    *,
    before: str | None = None,
    after: str | None = None,
) -> None:
    audit.record(
        tx,
        action=action,
        subject=subject,
        subject_id=subject_id,
        practice_id=practice_id,
        actor=ActorKind.OPERATOR,
        before=before,
        after=after,
        why="command line",
    )
