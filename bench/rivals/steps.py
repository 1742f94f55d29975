"""The steps of an import for the rivals: the rows and the email that ours leaves, by SQLAlchemy Core, without our runner.

Rules, texts and the mailer are ours; jobs, retries and the order of steps are the rival's. Each step is one transaction,
takes the id of an import, and may run again: it finds what an earlier run has committed. Records come from the directory.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from typing import Any, cast
from uuid import UUID

import redis
from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from config.settings import Settings
from config.sources import Sources
from handlers import refusals
from handlers.access import firm
from handlers.directory.classification import NO_WORDS, entity_type_of
from handlers.directory.lookup import FetchedRecord
from handlers.directory.records import content_hash, read_record
from handlers.email import addresses
from handlers.email.compose import compose
from handlers.email.greeting import greeting
from handlers.email.smtp import SmtpMailer
from handlers.errors import Rejected
from handlers.imports.details import address_text
from handlers.imports.validate import login_email, require_fit
from handlers.relationships.labels import combine_rows
from portal_db.database import Database
from portal_db.states import (
    OPEN_IMPORT_STATES,
    ActorKind,
    ChangeSource,
    ClientKind,
    ClientType,
    EmailState,
    FieldSource,
    ImportState,
    LoginKind,
    ReviewState,
    Subscription,
)
from portal_db.tables import Base

#: The hash in Redis with the time at which each import's first step started.
STARTED = "bench:started"
LINK_DAYS = 30

T = Base.metadata.tables
_IMPORTS, _CLIENTS, _LINKS, _LOGINS = T["imports"], T["clients"], T["xpm_links"], T["logins"]
_FIELDS, _EMAILS, _CONNECTIONS, _RECORDS = (
    T[name] for name in ("client_fields", "welcome_emails", "xpm_connections", "directory_records")
)
_READ = (
    select(_IMPORTS, _CONNECTIONS.c.id.label("connection_id"), _CONNECTIONS.c.tenant_id, _RECORDS.c.record, _RECORDS.c.as_of)
    .join(_CONNECTIONS, _CONNECTIONS.c.staff_id == _IMPORTS.c.requested_by)
    .join(
        _RECORDS,
        (_RECORDS.c.xero_login_id == _CONNECTIONS.c.xero_login_id)
        & (_RECORDS.c.tenant_id == _CONNECTIONS.c.tenant_id)
        & (_RECORDS.c.xpm_uuid == _IMPORTS.c.xpm_uuid),
    )
)  # fmt: skip


class Steps:
    """The steps, in one worker process. Its threads share an engine and the mailer's connections."""

    def __init__(self, settings: Settings, threads: int) -> None:
        self._settings = settings
        self._engine = Database(settings.database_url, pool_size=threads + 2).engine
        self._mailer = SmtpMailer(settings.smtp_url)
        self._redis = redis.Redis.from_url(settings.redis_url)
        self._new_id = Sources().new_id

    @classmethod
    @cache
    def of_process(cls) -> Steps:
        """The steps of this worker process, made at its first job: pools must not be shared over a fork."""
        return cls(Settings(), threads=8)

    def validate(self, import_id: str) -> bool:
        """Check the business rules. False: the import is closed, as rejected or before."""
        self._redis.hsetnx(STARTED, import_id, str(time.time()))
        with self._refusing(import_id) as db:
            row, seen = self._read(db, import_id)
            if row.state not in OPEN_IMPORT_STATES:
                return False
            self._move(db, row, ImportState.IN_PROGRESS)
            require_fit(row, seen, NO_WORDS)
            live = (_LINKS.c.practice_id == row.practice_id, _LINKS.c.disconnected_at.is_(None))
            if db.scalar(select(_LINKS.c.id).where(*live, _LINKS.c.xpm_uuid == row.xpm_uuid)):
                raise refusals.ALREADY_LINKED()
            email_key = None
            if row.kind is ClientKind.INDIVIDUAL:
                email_key = login_email(row.email or seen.record.email)[1]
                if db.scalar(select(_LOGINS.c.id).where(_LOGINS.c.email_key == email_key)):
                    raise refusals.EMAIL_TAKEN()
            values = {"email_key": email_key, "resolved_at": func.clock_timestamp()}
            db.execute(update(_IMPORTS).where(_IMPORTS.c.id == row.id).values(values))
            return True
        return False

    def create(self, import_id: str) -> bool:
        """Create the client with login, link, first fields and the welcome email. False: the import is closed."""
        with self._refusing(import_id) as db:
            row, seen = self._read(db, import_id)
            if row.state not in OPEN_IMPORT_STATES or row.client_id is not None:
                return row.state in OPEN_IMPORT_STATES
            own, field = self._person(db, row, seen) if row.kind is ClientKind.INDIVIDUAL else _entity(seen)
            client_id, now = self._new_id(), func.clock_timestamp()
            client = {
                "id": client_id, "practice_id": row.practice_id, "import_id": row.id, "kind": row.kind, "is_new": True,
                "name": seen.record.name, "created_by": row.requested_by, "created_at": now, **own,
            }  # fmt: skip
            db.execute(insert(_CLIENTS).values(client))
            db.execute(insert(T["client_visibility"]).values(client_id=client_id, staff_id=row.requested_by))
            link = {
                "id": self._new_id(), "practice_id": row.practice_id, "client_id": client_id, "linked_at": now,
                "connection_id": row.connection_id, "tenant_id": row.tenant_id, "xpm_uuid": row.xpm_uuid,
                "linked_by": row.requested_by,
            }  # fmt: skip
            if db.scalar(upsert(_LINKS).values(link).on_conflict_do_nothing().returning(_LINKS.c.id)) is None:
                raise refusals.ALREADY_LINKED()
            self._put_fields(db, row, client_id, {"name": seen.record.name, **field})
            db.execute(update(_IMPORTS).where(_IMPORTS.c.id == row.id).values(client_id=client_id))
            if row.send_welcome_email:
                email_id = self._new_id()
                email = {
                    "id": email_id, "practice_id": row.practice_id, "client_id": client_id, "version": 1,
                    "state": EmailState.PENDING, "message_id": f"{email_id.hex}.1", "created_at": now,
                }  # fmt: skip
                db.execute(insert(_EMAILS).values(email))
            return True
        return False

    def details(self, import_id: str) -> None:
        """Write the fields for which XPM has a value."""
        with self._engine.begin() as db:
            row, seen = self._read(db, import_id)
            values = _values(row, seen)
            conflicts = T["field_conflicts"]
            db.execute(delete(conflicts).where(conflicts.c.client_id == row.client_id, conflicts.c.field == "email"))
            code = self._email_conflict(db, row, values.get("email"))
            if code is not None:
                del values["email"]
                conflict = {"client_id": row.client_id, "field": "email", "code": code}
                db.execute(insert(conflicts).values(**conflict, noted_at=func.clock_timestamp()))
            self._put_fields(db, row, row.client_id, values)

    def relationships(self, import_id: str) -> None:
        """Add XPM's relationships to the review queue."""
        with self._engine.begin() as db:
            row, seen = self._read(db, import_id)
            same = {"practice_id": row.practice_id, "client_id": row.client_id, "import_id": row.id, "version": 1}
            same |= {"state": ReviewState.PENDING, "as_of": row.as_of}
            found = combine_rows(seen.record.relationships)
            rows = [{"id": self._new_id(), **same, **each.columns()} for each in found]
            table = T["relationships"]
            new = {
                db.scalar(upsert(table).values(each).on_conflict_do_nothing().returning(table.c.id)) for each in rows
            }
            changes = [
                (row.client_id, "relationship", "state", None, "pending", each["id"], _title(each))
                for each in rows
                if each["id"] in new
            ]
            self._note(db, row, changes)
            values = {"told_as_of": row.as_of, "import_begun_at": row.epoch_started_at}
            is_live = (_LINKS.c.client_id == row.client_id, _LINKS.c.disconnected_at.is_(None))
            db.execute(update(_LINKS).where(*is_live).values(**values, synced_hash=content_hash(seen.record)))

    def welcome_email(self, import_id: str) -> None:
        """Send the welcome email, unless it was sent or none is wanted."""
        practices = T["practices"]
        statement = (
            select(_EMAILS, _CLIENTS.c.name.label("client_name"), practices.c.name.label("practice_name"), _LOGINS.c.email)
            .join(_CLIENTS, _CLIENTS.c.id == _EMAILS.c.client_id)
            .join(practices, practices.c.id == _CLIENTS.c.practice_id)
            .join(_LOGINS, _LOGINS.c.id == _CLIENTS.c.login_id)
            .where(_CLIENTS.c.import_id == UUID(import_id), _EMAILS.c.state != EmailState.SENT)
        )  # fmt: skip
        token = secrets.token_hex(32)
        with self._engine.begin() as db:
            email = db.execute(statement).one_or_none()
            if email is None:
                return
            until = func.clock_timestamp() + timedelta(days=LINK_DAYS)
            values = {"state": EmailState.SENDING, "token_hash": hashlib.sha256(token.encode()).hexdigest()}
            db.execute(update(_EMAILS).where(_EMAILS.c.id == email.id).values(**values, token_expires_at=until))
        message = compose(
            self._settings,
            "welcome",
            to=email.email,
            subject=f"Welcome to the client portal of {email.practice_name}",
            message_id=email.message_id,
            values={
                "greeting": greeting(email.client_name),
                "practice_name": email.practice_name,
                "activation_url": f"{self._settings.public_url.rstrip('/')}/activate#{token}",
                "days": str(LINK_DAYS),
                **firm.email_values(self._settings, firm.Look()),
            },
        )
        self._mailer.send(message, addresses.for_delivery(email.email))
        with self._engine.begin() as db:
            sent = {"state": EmailState.SENT, "sent_at": func.clock_timestamp()}
            db.execute(update(_EMAILS).where(_EMAILS.c.id == email.id).values(sent))

    def close(self, import_id: str) -> None:
        """Close the import as succeeded."""
        with self._engine.begin() as db:
            row = db.execute(select(_IMPORTS).where(_IMPORTS.c.id == UUID(import_id)).with_for_update()).one()
            if row.state in OPEN_IMPORT_STATES:
                self._close(db, row, ImportState.SUCCEEDED)

    @contextmanager
    def _refusing(self, import_id: str) -> Iterator[Connection]:
        """A transaction; a refusal rolls it back, closes the import as rejected, and ends the block."""
        try:
            with self._engine.begin() as db:
                yield db
        except Rejected as refusal:
            with self._engine.begin() as db:
                row = db.execute(select(_IMPORTS).where(_IMPORTS.c.id == UUID(import_id)).with_for_update()).one()
                if row.state in OPEN_IMPORT_STATES:
                    if row.state is ImportState.ACCEPTED:
                        self._move(db, row, ImportState.IN_PROGRESS)
                    self._close(db, row, ImportState.REJECTED, refusal)

    def _read(self, db: Connection, import_id: str) -> tuple[Any, FetchedRecord]:
        row: Any = db.execute(_READ.where(_IMPORTS.c.id == UUID(import_id))).one()
        return row, FetchedRecord(cast("Any", None), read_record(row.record), row.as_of)

    def _person(self, db: Connection, row: Any, seen: FetchedRecord) -> tuple[dict[str, Any], dict[str, str]]:
        """The columns of an individual, and the email as a field; adds the login."""
        email, email_key = login_email(row.email or seen.record.email)
        login = {"id": self._new_id(), "kind": LoginKind.CLIENT, "email": email, "email_key": email_key}
        statement = upsert(_LOGINS).values(**login, created_at=func.clock_timestamp()).on_conflict_do_nothing()
        login_id = db.scalar(statement.returning(_LOGINS.c.id))
        if login_id is None:
            raise refusals.EMAIL_TAKEN()
        columns = {"login_id": login_id, "client_type": ClientType.PERSONAL, "subscription": Subscription.STARTER}
        return columns, {"email": email}

    def _email_conflict(self, db: Connection, row: Any, email: str | None) -> str | None:
        if email is None:
            return None
        try:
            key = addresses.normalise(email)[1]
        except Rejected as refusal:
            return refusal.code
        owner = _LOGINS.outerjoin(_CLIENTS, _CLIENTS.c.login_id == _LOGINS.c.id)
        found = db.execute(select(_CLIENTS.c.id).select_from(owner).where(_LOGINS.c.email_key == key)).one_or_none()
        return "email_taken" if found is not None and found.id != row.client_id else None

    def _put_fields(self, db: Connection, row: Any, client_id: UUID, values: dict[str, str]) -> None:
        """Write fields that XPM has, and the changes to the client's history."""
        known = dict(db.execute(select(_FIELDS.c.field, _FIELDS.c.value).where(_FIELDS.c.client_id == client_id)).all())
        same = {"client_id": client_id, "source": FieldSource.XPM, "is_override": False, "as_of": row.as_of}
        statement = upsert(_FIELDS)
        taken = {name: statement.excluded[name] for name in ("value", "source", "as_of")}
        rows = [{**same, "field": field, "value": value} for field, value in values.items()]
        db.execute(statement.on_conflict_do_update(index_elements=["client_id", "field"], set_=taken), rows)
        changed = [(client_id, "client", field, known.get(field), value, None, None) for field, value in values.items()]
        self._note(db, row, [each for each in changed if each[3] != each[4]])

    def _note(self, db: Connection, row: Any, changes: Iterable[tuple[Any, ...]]) -> None:
        names = ("client_id", "about", "field", "before", "after", "about_id", "about_name")
        by = {"practice_id": row.practice_id, "source": ChangeSource.IMPORT, "import_id": row.id}
        rows = [{"id": self._new_id(), **by, **dict(zip(names, change, strict=True))} for change in changes]
        if rows:
            db.execute(insert(T["client_changes"]).values(at=func.clock_timestamp()), rows)

    def _move(self, db: Connection, row: Any, state: ImportState, code: str | None = None) -> None:
        """Set an import's state, with its audit entry."""
        before = ImportState.ACCEPTED if state is ImportState.IN_PROGRESS else ImportState.IN_PROGRESS
        db.execute(update(_IMPORTS).where(_IMPORTS.c.id == row.id).values(state=state))
        entry = {
            "id": self._new_id(), "practice_id": row.practice_id, "actor": ActorKind.SYSTEM, "action": "import.state",
            "subject": "import", "subject_id": row.id, "before": before, "after": state, "why": code,
        }  # fmt: skip
        db.execute(insert(T["audit"]).values(**entry, at=func.clock_timestamp()))

    def _close(self, db: Connection, row: Any, state: ImportState, refusal: Rejected | None = None) -> None:
        """Set an import's last state, with the reason, and the event of its close."""
        self._move(db, row, state, refusal.code if refusal else None)
        now = func.clock_timestamp()
        values: dict[str, Any] = {"closed_at": now, "resolved_at": func.coalesce(_IMPORTS.c.resolved_at, now)}
        if refusal is not None:
            values |= {"outcome_code": refusal.code, "outcome_message": refusal.message}
            values |= {"outcome_remedy": refusal.remedy, "outcome_field": refusal.field}
        db.execute(update(_IMPORTS).where(_IMPORTS.c.id == row.id).values(values))
        event = {"practice_id": row.practice_id, "import_id": row.id, "epoch": row.epoch, "state": state}
        db.execute(insert(T["import_events"]).values(id=self._new_id(), **event, created_at=now))


def _entity(seen: FetchedRecord) -> tuple[dict[str, Any], dict[str, str]]:
    """The columns of an entity, and its type as a field."""
    entity_type = entity_type_of(seen.record)
    return {"entity_type": entity_type}, {"type": entity_type}


def _title(relationship: dict[str, Any]) -> str:
    return f"{relationship['label']}: {relationship['other_name']}"


def _values(row: Any, seen: FetchedRecord) -> dict[str, str]:
    """What XPM has for a client, by field."""
    record = seen.record
    found: dict[str, str | None] = {"name": record.name[:500]}
    if row.kind is ClientKind.ENTITY:
        found["type"] = entity_type_of(record)
    else:
        found |= {
            "title": record.title,
            "email": addresses.bare(record.email) if record.email else None,
            "phone": record.phone,
            "date_of_birth": record.date_of_birth.isoformat() if record.date_of_birth else None,
            "address": address_text(record.address) or address_text(record.postal_address),
            "gender": record.gender,
        }
    return {field: value for field, value in found.items() if value is not None}
