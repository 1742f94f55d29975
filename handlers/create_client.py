"""create_client: a validated individual becomes a client with a login, in one transaction or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from handlers.creation import create, wanted_branches
from handlers.directory import Seen
from handlers.flow import FollowUp
from handlers.validate_import import email_taken, login_email
from portal_db import imports, people
from portal_db.clients import FieldValue
from portal_db.database import Tx
from portal_db.states import ClientType, FieldSource, LoginKind, Subscription
from portal_db.tables import Import, Job


def apply(tx: Tx, job: Job, row: Import, seen: Seen) -> Sequence[FollowUp]:
    """Take the email, create the client, note the welcome email to be sent.

    Raises:
        Rejected: the email or the record went to somebody else meanwhile.
    """
    address, email_key = login_email(row.email or seen.record.email)
    login_id: UUID = tx.new_id()
    # An earlier row of the batch may want it and not have got there yet; for everybody else the unique index decides.
    if imports.earlier_claim_on_email(tx, row, email_key) or not people.take_email(
        tx, login_id, LoginKind.CLIENT, address, email_key
    ):
        raise email_taken()
    shape = {
        "login_id": login_id,
        "client_type": row.client_type or ClientType.PERSONAL,
        "subscription": row.subscription or Subscription.STARTER,
        "entity_type": None,
    }
    contact = FieldValue("email", address, FieldSource.IMPORT if row.email else FieldSource.XPM)
    client_id = create(tx, row, seen, shape, [contact])
    return wanted_branches(tx, row, client_id)
