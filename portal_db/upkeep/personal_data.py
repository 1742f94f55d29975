"""Where the record holds a person's data: finding it all from a client or an XPM record, and taking it out.

Ids stay, words go. Every statement is confined to the practice.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, String, and_, cast, delete, false, func, or_, select, update

from portal_db.database import Tx
from portal_db.states import OPEN_JOB_STATES, JobState, LoginKind
from portal_db.tables import (
    AuditEntry,
    Client,
    ClientChange,
    ClientField,
    ClientVisibility,
    CoOwner,
    Directory,
    DirectoryRecord,
    DirectoryStaged,
    DirectorySync,
    EntityConnection,
    FieldConflict,
    Import,
    Job,
    JobAttempt,
    Login,
    MalformedMessage,
    Relationship,
    Task,
    TeamMember,
    WelcomeEmail,
    XpmConnection,
    XpmLink,
)
from portal_db.types import db_now


@dataclass(frozen=True, slots=True)
class Trace:
    """A person in one practice: their client rows, their imports (locked), and the XPM records that are theirs."""

    practice_id: UUID
    clients: Sequence[Client]
    imports: Sequence[Import]
    xpm_uuids: frozenset[UUID]

    @property
    def client_ids(self) -> list[UUID]:
        return [client.id for client in self.clients]

    @property
    def import_ids(self) -> list[UUID]:
        return [row.id for row in self.imports]


def practice_of(tx: Tx, client_id: UUID) -> UUID | None:
    return tx.session.scalar(select(Client.practice_id).where(Client.id == client_id))


def trace(tx: Tx, practice_id: UUID, *, client_id: UUID | None, xpm_uuid: UUID | None) -> Trace:
    """Everything that hangs together from a client or an XPM record: its links, past ones too, and its imports."""
    client_ids = {client_id} if client_id else set()
    xpm_uuids = {xpm_uuid} if xpm_uuid else set()
    while True:
        links = select(XpmLink.client_id, XpmLink.xpm_uuid).where(
            XpmLink.practice_id == practice_id,
            or_(XpmLink.client_id.in_(client_ids), XpmLink.xpm_uuid.in_(xpm_uuids)),
        )
        imports = select(Import.client_id, Import.xpm_uuid).where(
            Import.practice_id == practice_id, or_(Import.client_id.in_(client_ids), Import.xpm_uuid.in_(xpm_uuids))
        )
        pairs = [*tx.session.execute(links), *tx.session.execute(imports)]
        known = len(client_ids), len(xpm_uuids)
        client_ids |= {found for found, _ in pairs if found is not None}
        xpm_uuids |= {found for _, found in pairs}
        if known == (len(client_ids), len(xpm_uuids)):
            break
    clients = select(Client).where(Client.practice_id == practice_id, Client.id.in_(client_ids))
    theirs = select(Import).where(Import.practice_id == practice_id, Import.xpm_uuid.in_(xpm_uuids))
    return Trace(
        practice_id,
        tx.session.scalars(clients.order_by(Client.id)).all(),
        tx.session.scalars(theirs.order_by(Import.id).with_for_update()).all(),
        frozenset(xpm_uuids),
    )


def open_jobs(tx: Tx, found: Trace) -> int:
    statement = select(func.count()).where(Job.import_id.in_(found.import_ids), Job.state.in_(OPEN_JOB_STATES))
    return tx.session.scalar(statement) or 0


def logins(tx: Tx, found: Trace) -> Sequence[Login]:
    """The person's own, those of co-owners of their account, and the person's as a co-owner of somebody else's."""
    ids = [client.login_id for client in found.clients if client.login_id is not None]
    shared = select(CoOwner.login_id).where(CoOwner.team_member_id.in_(_members(tx, found)))
    return tx.session.scalars(select(Login).where(or_(Login.id.in_(ids), Login.id.in_(shared)))).all()


def fields(tx: Tx, found: Trace) -> Sequence[ClientField]:
    return tx.session.scalars(select(ClientField).where(ClientField.client_id.in_(found.client_ids))).all()


def counterparts(tx: Tx, found: Trace) -> Sequence[Relationship]:
    """Relationships of other clients that name the person."""
    return tx.session.scalars(select(Relationship).where(_names(found))).all()


def directory_records(tx: Tx, found: Trace) -> Sequence[DirectoryRecord]:
    """The person's own records in the directory, as the practice's logins saw them."""
    return tx.session.scalars(select(DirectoryRecord).where(_is_theirs(found))).all()


def other_directory_records(tx: Tx, found: Trace) -> list[DirectoryRecord]:
    """Other people's records in the directory that mention the person's."""
    text = cast(DirectoryRecord.record, String)
    mentions = or_(false(), *(text.contains(str(uuid)) for uuid in found.xpm_uuids))
    statement = select(DirectoryRecord).where(_of_practice(found), ~_is_theirs(found), mentions)
    return list(tx.session.scalars(statement))


def rewrite_record(tx: Tx, record: DirectoryRecord, columns: Mapping[str, Any]) -> None:
    statement = update(DirectoryRecord).where(
        DirectoryRecord.xero_login_id == record.xero_login_id,
        DirectoryRecord.tenant_id == record.tenant_id,
        DirectoryRecord.xpm_uuid == record.xpm_uuid,
    )
    tx.session.execute(statement.values(**columns))


def remove(tx: Tx, found: Trace) -> Iterator[tuple[str, int]]:
    """Delete the person's rows, and those that name them, in the order that foreign keys want.

    Yields:
        What, and how many rows.
    """
    mine = found.client_ids
    members = _members(tx, found)
    login_ids = [login.id for login in logins(tx, found) if login.kind is LoginKind.CLIENT]
    yield "welcome emails", _delete(tx, WelcomeEmail, WelcomeEmail.client_id.in_(mine))
    yield "details", _delete(tx, ClientField, ClientField.client_id.in_(mine))
    yield "conflicts of details", _delete(tx, FieldConflict, FieldConflict.client_id.in_(mine))
    theirs = or_(_names(found), Relationship.client_id.in_(mine), Relationship.team_member_id.in_(members))
    items = select(Relationship.id).where(theirs)
    told = or_(ClientChange.client_id.in_(mine), ClientChange.about_id.in_(items), ClientChange.about_id.in_(members))
    yield "changes in histories", _delete(tx, ClientChange, told)
    yield "co-owners", _delete(tx, CoOwner, CoOwner.team_member_id.in_(members))
    yield "relationships and review items", _delete(tx, Relationship, theirs)
    yield "tasks", _delete(tx, Task, or_(Task.client_id.in_(mine), Task.team_member_id.in_(members)))
    yield "connections of entities", _delete(tx, EntityConnection, EntityConnection.team_member_id.in_(members))
    yield "team members", _delete(tx, TeamMember, TeamMember.id.in_(members))
    yield "who may see them", _delete(tx, ClientVisibility, ClientVisibility.client_id.in_(mine))
    yield "links to XPM", _delete(tx, XpmLink, XpmLink.client_id.in_(mine))
    yield "clients", _delete(tx, Client, Client.id.in_(mine))
    yield "logins", _delete(tx, Login, Login.id.in_(login_ids))
    yield "XPM records seen", _delete(tx, DirectoryRecord, _is_theirs(found))
    yield "XPM records being read", _delete(tx, DirectoryStaged, _is_staged(found))


def _members(tx: Tx, found: Trace) -> list[UUID]:
    """Team members: the person's own, and the person in others' teams, by XPM record or by a reviewer's link."""
    linked = select(Relationship.team_member_id).where(_names(found), Relationship.team_member_id.is_not(None))
    statement = select(TeamMember.id).where(
        TeamMember.practice_id == found.practice_id,
        or_(
            TeamMember.client_id.in_(found.client_ids),
            TeamMember.xpm_uuid.in_(found.xpm_uuids),
            TeamMember.id.in_(linked),
        ),
    )
    return list(tx.session.scalars(statement))


def blank_imports(tx: Tx, found: Trace) -> int:
    """Take the person out of their imports; that and when they were asked for, and how they ended, stays."""
    blank = {"name": None, "email": None, "email_key": None, "client_id": None}
    return _change(tx, Import, Import.id.in_(found.import_ids), **blank)


def rename_key(tx: Tx, row: Import) -> None:
    """An idempotency key that names the person becomes one that does not."""
    _change(tx, Import, Import.id == row.id, idempotency_key=f"erased {row.id}")


def blank_team_email(tx: Tx, practice_id: UUID, addresses: Collection[str]) -> int:
    """Other people's team members who share the person's address keep their name, and lose the address."""
    lowered = [address.lower() for address in addresses]
    shared = and_(TeamMember.practice_id == practice_id, func.lower(TeamMember.email).in_(lowered))
    return _change(tx, TeamMember, shared, email=None)


def blank_jobs(tx: Tx, found: Trace) -> int:
    """Take messages out of the person's jobs and attempts; dead letters are dismissed and what waits is cancelled.

    Returns:
        How many jobs had a message, were dead or waited.
    """
    named = or_(false(), *(cast(Job.args, String).contains(str(client_id)) for client_id in found.client_ids))
    theirs = or_(Job.import_id.in_(found.import_ids), and_(Job.practice_id == found.practice_id, named))
    job_ids = list(tx.session.scalars(select(Job.id).where(theirs)))
    mine = Job.id.in_(job_ids)
    ended = {"lease_token": None, "lease_until": None, "deadline_at": None, "next_attempt_at": None}
    count = _change(tx, Job, and_(mine, Job.state == JobState.DEAD), state=JobState.DISMISSED, finished_at=db_now())
    is_open = and_(mine, Job.state.in_(OPEN_JOB_STATES))
    count += _change(tx, Job, is_open, state=JobState.CANCELLED, finished_at=db_now(), **ended)
    count += _change(tx, Job, and_(mine, Job.error_message.is_not(None)), error_message=None)
    _change(tx, JobAttempt, JobAttempt.job_id.in_(job_ids), error_message=None)
    return count


def audit_naming(tx: Tx, practice_id: UUID, words: Collection[str]) -> list[AuditEntry]:
    """Audit entries of the practice, or of none, in whose text one of these words stands."""
    columns = (AuditEntry.why, AuditEntry.before, AuditEntry.after)
    has = _says(columns, words)
    of_practice = or_(AuditEntry.practice_id == practice_id, AuditEntry.practice_id.is_(None))
    return list(tx.session.scalars(select(AuditEntry).where(of_practice, or_(*has)))) if has else []


def rewrite_audit(tx: Tx, entry_id: UUID, **texts: str | None) -> None:
    _change(tx, AuditEntry, AuditEntry.id == entry_id, **texts)


def tasks_naming(tx: Tx, practice_id: UUID, words: Collection[str]) -> list[Task]:
    """Other people's tasks of the practice in whose text one of these words stands."""
    statement = select(Task).where(
        Task.practice_id == practice_id, or_(false(), *_says((Task.title, Task.note), words))
    )
    return list(tx.session.scalars(statement))


def rewrite_task(tx: Tx, task_id: UUID, **texts: str | None) -> None:
    _change(tx, Task, Task.id == task_id, **texts)


def drop_malformed(tx: Tx, ids: Collection[UUID]) -> int:
    return _delete(tx, MalformedMessage, MalformedMessage.id.in_(ids))


def _says(columns: Sequence[Any], words: Collection[str]) -> list[ColumnElement[bool]]:
    """That one of these words stands in one of these columns, as it is or in other case."""
    return [
        or_(column.contains(word, autoescape=True), func.lower(column).contains(word.lower(), autoescape=True))
        for word in words
        for column in columns
    ]


def _names(found: Trace) -> ColumnElement[bool]:
    return and_(Relationship.practice_id == found.practice_id, Relationship.other_xpm_uuid.in_(found.xpm_uuids))


def _of_practice(found: Trace) -> ColumnElement[bool]:
    logins_of = select(XpmConnection.xero_login_id).where(XpmConnection.practice_id == found.practice_id)
    return DirectoryRecord.xero_login_id.in_(logins_of)


def _is_theirs(found: Trace) -> ColumnElement[bool]:
    return and_(_of_practice(found), DirectoryRecord.xpm_uuid.in_(found.xpm_uuids))


def _is_staged(found: Trace) -> ColumnElement[bool]:
    """Every record of an answer that is being read, since others' may mention the person: it is read again."""
    syncs = (
        select(DirectorySync.id)
        .join(Directory, Directory.id == DirectorySync.directory_id)
        .join(
            XpmConnection,
            and_(
                XpmConnection.xero_login_id == Directory.xero_login_id,
                XpmConnection.tenant_id == Directory.tenant_id,
            ),
        )
        .where(XpmConnection.practice_id == found.practice_id)
    )
    return DirectoryStaged.sync_id.in_(syncs)


def _delete(tx: Tx, table: Any, condition: ColumnElement[bool]) -> int:
    result: Any = tx.session.execute(delete(table).where(condition))
    return int(result.rowcount)


def _change(tx: Tx, table: Any, condition: ColumnElement[bool], **values: Any) -> int:
    statement = update(table).where(condition).values(**values)
    result: Any = tx.session.execute(statement)
    return int(result.rowcount)
