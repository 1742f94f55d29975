"""The inbox: everything that needs a person, as the runbook has it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from handlers.operations.bulk import DEAD
from handlers.operations.overview import Now, state
from portal_db.database import Database
from portal_db.directory import directories
from portal_db.directory.directories import DirectoryEntry
from portal_db.tables import MalformedMessage, WebhookEndpoint, WelcomeEmail, XpmLink
from portal_db.work import job_search, needs_person
from portal_db.work.aside import Aside, waiting_aside
from portal_db.work.job_search import Cause
from portal_db.work.needs_person import BrokenConnection
from portal_db.xero import handover
from portal_db.xero.handover import OrphanedConnection

#: Entries of one sort that are shown.
MOST = 50


@dataclass(frozen=True)
class Inbox:
    """What needs a person, by sort; up to `MOST` of each."""

    now: Now
    dead: Sequence[Cause]
    aside: Sequence[Aside]
    emails: Sequence[WelcomeEmail]
    held: Sequence[DirectoryEntry]
    broken: Sequence[BrokenConnection]
    orphaned: Sequence[OrphanedConnection]
    webhooks: Sequence[WebhookEndpoint]
    malformed: Sequence[MalformedMessage]
    gone: Sequence[XpmLink]

    @property
    def is_empty(self) -> bool:
        now = self.now
        system = (now.late, now.unattended, now.outages, now.pauses, now.leader is None, now.restoring_since)
        mine = (self.dead, self.aside, self.emails, self.held, self.broken, self.orphaned, self.webhooks)
        return not any((*system, *mine, self.malformed, self.gone))


def inbox(database: Database) -> Inbox:
    """Everything that needs a person now, with the state of the whole."""
    with database.read() as tx:
        held = [entry for each in directories.held(tx) for entry in directories.listing(tx, directory_id=each.id)]
        return Inbox(
            now=state(tx),
            dead=job_search.causes(tx, DEAD, limit=MOST),
            aside=waiting_aside(tx),
            emails=needs_person.unknown_emails(tx, limit=MOST),
            held=held,
            broken=needs_person.broken_connections(tx, limit=MOST),
            orphaned=handover.orphaned_connections(tx)[:MOST],
            webhooks=needs_person.failing_webhooks(tx, limit=MOST),
            malformed=needs_person.malformed_messages(tx, limit=MOST),
            gone=needs_person.links_without_record(tx, limit=MOST),
        )
