"""Connecting XPM, and renewing tokens, from an operator's command line."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

from cryptography.fernet import MultiFernet
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, SecretStr, ValidationError

from handlers import refusals
from handlers.access.practices import BY_COMMAND_LINE, require_practice
from handlers.directory.sync import sync_on_connecting
from handlers.fields import SHORT_LINE, TENANT_ID, Line, misfit, validated
from portal_db.access import people
from portal_db.database import Database, Tx
from portal_db.tables import Practice, XpmConnection
from portal_db.types import database_time
from portal_db.xero import connections, logins


class Grant(BaseModel):
    """A response of Xero's token endpoint, and the Xero user it belongs to. `expires_in` is in seconds."""

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    xero_user_id: Annotated[Line, Field(max_length=64)]
    access_token: Annotated[SecretStr, Field(min_length=1, max_length=10_000)]
    refresh_token: Annotated[SecretStr, Field(min_length=1, max_length=10_000)] | None = None
    expires_in: PositiveInt = 1800


def read_grant(fields: dict[str, Any]) -> Grant:
    """Read tokens from plain data.

    Raises:
        RequestRefused: a field does not fit; it names the field, never the value.
    """
    try:
        return Grant.model_validate(fields)
    except ValidationError as error:
        raise misfit(error) from None


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
    """Connect a staff member to an XPM tenant with tokens obtained elsewhere.

    Raises:
        RequestRefused: unknown practice or staff, MFA not mandatory (b.14), or already connected.
    """
    tenant = validated(TENANT_ID, tenant_id, "tenant_id")
    label = None if tenant_name is None else validated(SHORT_LINE, tenant_name, "tenant_name")
    with database.write() as tx:
        _require_mfa(require_practice(tx, practice_id))
        _require_staff(tx, staff_id, practice_id)
        row = {
            "id": tx.new_id(),
            "practice_id": practice_id,
            "staff_id": staff_id,
            "xero_login_id": _keep_tokens(tx, vault, grant),
            "tenant_id": tenant,
            "tenant_name": label,
        }
        if not connections.add_connection(tx, row):
            raise refusals.STAFF_ALREADY_CONNECTED()
        BY_COMMAND_LINE.audit(tx, "connection.add", "connection", UUID(str(row["id"])), practice_id, after="connected")
        sync_on_connecting(tx, connections.get_one(tx, UUID(str(row["id"]))))
        return UUID(str(row["id"]))


def renew_tokens(database: Database, vault: MultiFernet, grant: Grant) -> None:
    """Replace a Xero user's tokens with newer ones; the connections do not change."""
    with database.write() as tx:
        _keep_tokens(tx, vault, grant)


def _keep_tokens(tx: Tx, vault: MultiFernet, grant: Grant) -> UUID:
    refresh = grant.refresh_token
    return logins.store_consented(
        tx,
        {
            "id": tx.new_id(),
            "xero_user_id": grant.xero_user_id,
            "access_token": vault.encrypt(grant.access_token.get_secret_value().encode()),
            "refresh_token": vault.encrypt(refresh.get_secret_value().encode()) if refresh else None,
            "access_expires_at": database_time(tx.session) + timedelta(seconds=grant.expires_in),
        },
    )


def _require_mfa(practice: Practice) -> None:
    if not practice.mfa_mandatory:
        raise refusals.MFA_NOT_MANDATORY_AT_PRACTICE()


def _require_staff(tx: Tx, staff_id: UUID, practice_id: UUID) -> None:
    if people.at_work(tx, staff_id, practice_id=practice_id) is None:
        raise refusals.UNKNOWN_STAFF(field="staff_id")


def listing(database: Database, practice_id: UUID | None = None) -> Sequence[XpmConnection]:
    """Connections of a practice, or all of them, past ones too, newest first."""
    with database.read() as tx:
        return connections.listing(tx, practice_id=practice_id)
