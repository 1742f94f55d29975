"""Staff send a client's welcome email again, or for the first time to one who was imported without it (b.6).

One press, one email: the press has a key of its own. It goes out while the client has not activated the account; the link of
the email before ends. Whether an email of unknown outcome is sent again is for operations to decide.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from uuid import UUID

from handlers import portal_clients
from handlers.acting import Act, reopened
from handlers.callers import Caller
from handlers.email_outcomes import KIND, supersede
from handlers.flow import Bell, FollowUp
from handlers.follow_ups import later
from handlers.request_import import Accepted
from handlers.requests import RequestRefused
from handlers.settle import settle
from portal_db import email_decisions, emails, jobs
from portal_db.client_list import Entry
from portal_db.database import Database, Tx, again_after_deadlock
from portal_db.states import EmailState, Lane
from portal_db.types import database_time


@again_after_deadlock
def invite(database: Database, bell: Bell, caller: Caller, client_id: UUID, key: str) -> Accepted:
    """Have one welcome email sent, by the import that created the client.

    Args:
        key: the requester's own key for this press.

    Raises:
        RequestRefused: no such client for them, an entity, an active login, or an email that is under way or of unknown
            outcome.
    """
    act = Act.of_staff(caller)
    with database.write() as tx:
        entry = portal_clients.require(tx, caller, client_id)
        if entry.login is None:
            raise _refused(
                "no_login", "An entity has no login, so there is nobody to invite.", "Add a connection to it."
            )
        row = act.lock_import(tx, entry.client.import_id)
        before = jobs.of_import(tx, row.id)
        press = f"{row.id}:{KIND}:{hashlib.sha256(key.encode()).hexdigest()[:32]}"
        if any(job.dedupe_key == press for job in before):
            return Accepted(row.id, is_new=False)
        email_id = _renewed(tx, act, entry)
        supersede(tx, act, [job for job in before if job.kind == KIND])
        row = reopened(tx, act, row)
        follow_up = FollowUp(KIND, {"email_id": str(email_id)})
        job = replace(later(tx, row.id, row.practice_id, follow_up), epoch=row.epoch, dedupe_key=press)
        jobs.add(tx, [job], rung=True)
        settle(tx, row)
    bell.ring(Lane.EMAIL, [job.id])
    return Accepted(row.id, is_new=True)


def _renewed(tx: Tx, act: Act, entry: Entry) -> UUID:
    """The client's welcome email, waiting to be sent: its first version, or the next one."""
    client = entry.client
    known = email_decisions.of_client(tx, client.id)
    if known is None:
        email_id = emails.add(tx, client.practice_id, client.id, asked_at=database_time(tx.session))
        act.audit(tx, "email.send", "email", email_id, client.practice_id, after="pending, version 1")
        return email_id
    if known.activated_at is not None:
        raise _refused("login_activated", "The client has activated the account.", "No invitation is needed.")
    email = known.email
    match email.state:
        case EmailState.PENDING | EmailState.SENDING:
            raise _refused("email_under_way", "A welcome email is on its way already.", "Wait until it has been sent.")
        case EmailState.UNKNOWN:
            raise _refused(
                "email_outcome_unknown",
                "Whether the last welcome email arrived is not known.",
                "Operations look into it. Asking the client whether it came helps them.",
            )
        case EmailState.SENT | EmailState.REFUSED | EmailState.CANCELLED:
            version = email_decisions.renew(tx, email)
    if version is None:
        raise _refused("email_under_way", "Somebody else has just sent it, or the client used it.", "Look again.")
    before, after = f"{email.state.value}, version {email.version}", f"pending, version {version}"
    act.audit(tx, "email.resend", "email", email.id, email.practice_id, before=before, after=after)
    return email.id


def _refused(code: str, message: str, remedy: str) -> RequestRefused:
    return RequestRefused(code, message, remedy, field="client_id")
