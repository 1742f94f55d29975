"""Amends an import that was rejected or failed: the same import with a new revision of its request.

Without a client it starts again from validation. Once its client exists, only the email address can be corrected: the
login takes it, unless it is activated, and links sent to the previous address stop working (design §5).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from handlers import refusals
from handlers.access import taken_addresses
from handlers.access.act import Act
from handlers.email import addresses
from handlers.imports.reopen import lock_import, reopen_if_closed, settle_after_decision
from handlers.imports.request import ImportRequest, parse
from handlers.imports.settle import settle
from handlers.imports.welcome_email import KIND, send_again, supersede
from handlers.jobs.done_elsewhere import require_uncreated
from handlers.jobs.enqueue import VALIDATION, import_job, missing_job, trace_of_epoch
from portal_db import welcome_emails
from portal_db.access import people
from portal_db.clients import clients
from portal_db.clients.clients import FieldValue
from portal_db.clients.history import By
from portal_db.database import Database, Tx, retry_on_deadlock
from portal_db.states import ChangeSource, EmailState, FieldSource, ImportState, JobState
from portal_db.tables import Import, Job, WelcomeEmail
from portal_db.types import database_time
from portal_db.work import imports, jobs, lookahead
from portal_db.work.jobs import NewJob

#: The fields of a request that can be corrected; the others identify the requester and the record.
EDITABLE = ("name", "entity_type", "email", "client_type", "subscription", "send_welcome_email")
AMENDABLE = (ImportState.REJECTED, ImportState.FAILED, ImportState.PARTLY_SUCCEEDED)


@dataclass(frozen=True)
class Amended:
    """An import with its new revision. `sends_email`: its welcome email goes to the new address."""

    import_id: UUID
    revision: int
    changed: tuple[str, ...]
    state: ImportState
    sends_email: bool


@retry_on_deadlock
def amend(database: Database, act: Act, import_id: UUID, wishes: Mapping[str, Any]) -> Amended:
    """Correct an import and continue it.

    Args:
        wishes: new values by field name, of `EDITABLE`; the other fields stay.

    Raises:
        RequestRefused: not found, or not visible to them; not amendable; a value is not valid; or too many addresses were
            taken today. Nothing changed.
    """
    practice_id = act.viewer.practice_id if act.viewer else None
    with taken_addresses.counted(database, practice_id, wishes.get("email")), database.write() as tx:
        row = lock_import(tx, act, import_id)
        _require_amendable(row)
        request = _request(row, wishes)
        changed = {name: getattr(request, name) for name in wishes if getattr(request, name) != getattr(row, name)}
        if not changed:
            raise refusals.NOTHING_TO_AMEND()
        if row.client_id is None:
            return _restart(tx, act, row, request, changed)
        return _correct_login(tx, act, row, row.client_id, changed)


def _require_amendable(row: Import) -> None:
    if row.state not in AMENDABLE:
        refusal = refusals.IMPORT_UNDER_WAY if row.state.is_open else refusals.IMPORT_NOT_FAILED
        raise refusal(state=row.state.value.replace("_", " "))


def _request(row: Import, wishes: Mapping[str, Any]) -> ImportRequest:
    """The import's request with the new values, under the rules of every request."""
    if unknown := [name for name in wishes if name not in EDITABLE]:
        raise refusals.FIELD_NOT_AMENDABLE(field=unknown[0])
    asked = {name: getattr(row, name) for name in ImportRequest.model_fields if name != "request_id"}
    return parse({**asked, "request_id": row.idempotency_key, **wishes})


def _restart(tx: Tx, act: Act, row: Import, request: ImportRequest, changed: dict[str, Any]) -> Amended:
    """Nothing was created yet: validate again in a new epoch."""
    require_uncreated(tx, row)
    if request.email is not None:
        _, email_key = addresses.normalise_requested(request.email)
        if _is_known_taken(tx, act, row.practice_id, email_key) or imports.earlier_claims_on_emails(
            tx, {row.id: email_key}, {row.id: row}
        ):
            raise refusals.LOGIN_EMAIL_TAKEN()
    revision = _write_revision(tx, act, row, changed)
    earlier = jobs.of_import(tx, row.id)
    supersede(tx, act, earlier)
    row = reopen_if_closed(tx, act, row)
    jobs.add(tx, [_validation(tx, row, earlier)])
    return Amended(row.id, revision, tuple(changed), settle(tx, row), sends_email=False)


def _validation(tx: Tx, row: Import, earlier: Sequence[Job]) -> NewJob:
    if not earlier:  # housekeeping has deleted them
        return missing_job(tx, row, VALIDATION, earlier)
    return import_job(
        tx,
        VALIDATION,
        row.id,
        row.practice_id,
        interactive=earlier[0].interactive,
        epoch=row.epoch,
        position=earlier[0].position,
        trace=trace_of_epoch(earlier, row.epoch),
    )


def _is_known_taken(tx: Tx, act: Act, practice_id: UUID, email_key: str) -> bool:
    """An early answer, to staff about their practice's own logins only; the unique index decides when the client is created
    (b.2)."""
    if act.viewer is None:
        return bool(people.logins_of_emails(tx, [email_key]))
    return bool(lookahead.emails_of_practice(tx, practice_id, [email_key]))


def _correct_login(tx: Tx, act: Act, row: Import, client_id: UUID, changed: dict[str, Any]) -> Amended:
    """The client exists: its login takes the new address, and a welcome email that failed is sent there."""
    if others := [name for name in changed if name != "email"]:
        raise refusals.CLIENT_EXISTS(field=others[0], client_id=client_id)
    if changed["email"] is None:
        raise refusals.BAD_FIELD(field="email", reason="must be given once the client exists")
    _require_created_by(tx, row, client_id)
    email, email_key = addresses.normalise_requested(changed["email"])
    _change_login(tx, client_id, email, email_key)
    _correct_contact(tx, row, client_id, email)
    revision = _write_revision(tx, act, row, {"email": changed["email"], "email_key": email_key})
    known = welcome_emails.of_client(tx, client_id)
    if known is not None and known.email.state is not EmailState.SENT and _email_failed(tx, row, known.email):
        state = send_again(tx, act, row, known).state
        return Amended(row.id, revision, ("email",), state, sends_email=True)
    if known is not None:  # the previous address may have received it, also if its outcome is unknown
        welcome_emails.revoke_link(tx, known.email)
    return Amended(row.id, revision, ("email",), settle_after_decision(tx, act, row), sends_email=False)


def _require_created_by(tx: Tx, row: Import, client_id: UUID) -> None:
    """Pass if this import created the client: the welcome email of another import may be on its way."""
    client = clients.get(tx, client_id, practice_id=row.practice_id)
    if client is None or client.import_id != row.id:
        raise refusals.IMPORT_OF_EXISTING_CLIENT()


def _change_login(tx: Tx, client_id: UUID, email: str, email_key: str) -> None:
    login = imports.login_of(tx, client_id)
    if login is None or login.activated_at is not None:
        raise refusals.EMAIL_OF_ACTIVE_CLIENT()
    if not imports.change_email(tx, login.id, email, email_key):
        raise refusals.LOGIN_EMAIL_TAKEN()


def _correct_contact(tx: Tx, row: Import, client_id: UUID, email: str) -> None:
    """Correct the contact email too, as long as it comes from the import window."""
    contact = clients.fields(tx, client_id).get("email")
    if contact is not None and contact.source is FieldSource.IMPORT:
        value = FieldValue("email", email, FieldSource.IMPORT)
        by = By(row.practice_id, ChangeSource.STAFF, import_id=row.id)
        clients.put_fields(tx, client_id, [value], as_of=database_time(tx.session), by=by)


def _email_failed(tx: Tx, row: Import, email: WelcomeEmail) -> bool:
    of_kind = [job for job in jobs.of_import(tx, row.id) if job.kind == KIND]
    if not of_kind:  # housekeeping has deleted them
        return email.state is EmailState.REFUSED
    return of_kind[-1].state in (JobState.DEAD, JobState.REJECTED)


def _write_revision(tx: Tx, act: Act, row: Import, values: dict[str, Any]) -> int:
    """Write the new revision; the audit row names the fields, not their values."""
    revision = row.revision + 1
    imports.set_inputs(tx, row.id, {**values, "revision": revision})
    names = ", ".join(name for name in values if name in EDITABLE)
    after = f"revision {revision}: {names}"
    act.audit(tx, "import.amend", "import", row.id, row.practice_id, before=f"revision {row.revision}", after=after)
    return revision
