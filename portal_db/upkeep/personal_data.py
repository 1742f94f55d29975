"""A person's data in the record: finding all of it from a client or an XPM record, and erasing it.

Ids stay, texts go. Every statement is confined to the practice.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, String, and_, case, cast, exists, false, func, null, or_, select, tuple_, union

from portal_db.database import Tx
from portal_db.dialect import count_rows, delete_rows, update_rows
from portal_db.states import OPEN_JOB_STATES, JobState, LoginKind
from portal_db.tables import (
    AuditEntry,
    Client,
    ClientChange,
    ClientField,
    ClientSession,
    ClientVisibility,
    CoOwner,
    CoOwnerInvitation,
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
    Passkey,
    PasskeyChallenge,
    PasswordLink,
    PasswordReset,
    PendingSignIn,
    RecoveryCode,
    Relationship,
    SecondFactor,
    SecurityNotice,
    SignInEntry,
    Task,
    TaskEmail,
    TeamMember,
    TermsAcceptance,
    WelcomeEmail,
    XpmConnection,
    XpmLink,
    same_directory,
)
from portal_db.types import db_now


@dataclass(frozen=True, slots=True)
class DataSubject:
    """A person in one practice: their client rows, their imports (locked), and their XPM records."""

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


def find_data_subject(tx: Tx, practice_id: UUID, *, client_id: UUID | None, xpm_uuid: UUID | None) -> DataSubject:
    """Find everything connected to a client or an XPM record by links, past ones too, and imports.

    A wrong link that was undone leads to nobody else: records of other clients are left out.
    """
    client_ids = {client_id} if client_id else set()
    xpm_uuids = {xpm_uuid} if xpm_uuid else set()
    while True:
        known = len(client_ids), len(xpm_uuids)
        touched = _records_touched(tx, practice_id, client_ids)
        linked, made = _owners(tx, practice_id, touched | xpm_uuids)
        # A record that is linked to a client is that client's alone
        xpm_uuids |= {record for record in touched if (linked.get(record) or made.get(record, set())) <= client_ids}
        client_ids |= {owner for owners in (linked, made) for record in xpm_uuids for owner in owners.get(record, ())}
        if known == (len(client_ids), len(xpm_uuids)):
            break
    clients = select(Client).where(Client.practice_id == practice_id, Client.id.in_(client_ids))
    is_theirs = or_(Import.xpm_uuid.in_(xpm_uuids), Import.client_id.in_(client_ids))
    theirs = select(Import).where(Import.practice_id == practice_id, is_theirs)
    return DataSubject(
        practice_id,
        tx.session.scalars(clients.order_by(Client.id)).all(),
        tx.session.scalars(theirs.order_by(Import.id).with_for_update()).all(),
        frozenset(xpm_uuids),
    )


def _records_touched(tx: Tx, practice_id: UUID, client_ids: Collection[UUID]) -> set[UUID]:
    """Records that these clients are or were linked to, or have imports of."""
    links = select(XpmLink.xpm_uuid).where(XpmLink.practice_id == practice_id, XpmLink.client_id.in_(client_ids))
    imports = select(Import.xpm_uuid).where(Import.practice_id == practice_id, Import.client_id.in_(client_ids))
    return {*tx.session.scalars(links), *tx.session.scalars(imports)}


_Owners = dict[UUID, set[UUID]]


def _owners(tx: Tx, practice_id: UUID, xpm_uuids: Collection[UUID]) -> tuple[_Owners, _Owners]:
    """To which clients records belong, by record: to the one that is linked to it now, and to those that an import made
    from it and that are not linked now."""
    is_live = XpmLink.disconnected_at.is_(None)
    of_records = (XpmLink.practice_id == practice_id, XpmLink.xpm_uuid.in_(xpm_uuids))
    links = select(XpmLink.xpm_uuid, XpmLink.client_id).where(*of_records, is_live)
    has_link = select(XpmLink.id).where(XpmLink.client_id == Client.id, is_live).exists()
    creations = (
        select(Import.xpm_uuid, Client.id)
        .join(Client, Client.import_id == Import.id)
        .where(Import.practice_id == practice_id, Import.xpm_uuid.in_(xpm_uuids), ~has_link)
    )
    made: _Owners = {}
    for record, owner in tx.session.execute(creations):
        made.setdefault(record, set()).add(owner)
    return {record: {owner} for record, owner in tx.session.execute(links)}, made


def open_jobs(tx: Tx, person: DataSubject) -> int:
    return count_rows(tx, Job.import_id.in_(person.import_ids), Job.state.in_(OPEN_JOB_STATES))


def logins(tx: Tx, person: DataSubject) -> Sequence[Login]:
    """The person's own login, those of co-owners of their account, and the person's as a co-owner of somebody else's."""
    ids = [client.login_id for client in person.clients if client.login_id is not None]
    shared = select(CoOwner.login_id).where(CoOwner.team_member_id.in_(_members(tx, person)))
    return tx.session.scalars(select(Login).where(or_(Login.id.in_(ids), Login.id.in_(shared)))).all()


def fields(tx: Tx, person: DataSubject) -> Sequence[ClientField]:
    return tx.session.scalars(select(ClientField).where(ClientField.client_id.in_(person.client_ids))).all()


def counterparts(tx: Tx, person: DataSubject) -> Sequence[Relationship]:
    """Relationships of other clients that name the person."""
    return tx.session.scalars(select(Relationship).where(_names(person))).all()


def directory_records(tx: Tx, person: DataSubject) -> Sequence[DirectoryRecord]:
    """The person's own records in the directories of the practice's logins, former ones too."""
    return tx.session.scalars(select(DirectoryRecord).where(_is_theirs(person))).all()


def other_directory_records(tx: Tx, person: DataSubject) -> list[DirectoryRecord]:
    """Other people's records in the directories that mention the person's records."""
    text = cast(DirectoryRecord.record, String)
    mentions = or_(false(), *(text.contains(str(uuid)) for uuid in person.xpm_uuids))
    statement = select(DirectoryRecord).where(_is_of_practice(DirectoryRecord, person), ~_is_theirs(person), mentions)
    return list(tx.session.scalars(statement))


def rewrite_record(tx: Tx, record: DirectoryRecord, columns: Mapping[str, Any]) -> None:
    is_record = (same_directory(DirectoryRecord, record), DirectoryRecord.xpm_uuid == record.xpm_uuid)
    update_rows(tx, DirectoryRecord, *is_record, **columns)


def remove(tx: Tx, person: DataSubject) -> Iterator[tuple[str, int]]:
    """Delete the person's rows, and those that name them, in the order that foreign keys require.

    Yields:
        What was deleted, and how many rows.
    """
    own = person.client_ids
    members = _members(tx, person)
    login_ids = [login.id for login in logins(tx, person) if login.kind is LoginKind.CLIENT]
    yield "welcome emails", delete_rows(tx, WelcomeEmail, WelcomeEmail.client_id.in_(own))
    yield "details", delete_rows(tx, ClientField, ClientField.client_id.in_(own))
    yield "conflicts of details", delete_rows(tx, FieldConflict, FieldConflict.client_id.in_(own))
    theirs = or_(_names(person), Relationship.client_id.in_(own), Relationship.team_member_id.in_(members))
    items = select(Relationship.id).where(theirs)
    changes = or_(ClientChange.client_id.in_(own), ClientChange.about_id.in_(items), ClientChange.about_id.in_(members))
    yield "changes in histories", delete_rows(tx, ClientChange, changes)
    yield "co-owners", delete_rows(tx, CoOwner, CoOwner.team_member_id.in_(members))
    yield "relationships and review items", delete_rows(tx, Relationship, theirs)
    of_them = or_(Task.client_id.in_(own), Task.team_member_id.in_(members))
    told = or_(TaskEmail.task_id.in_(select(Task.id).where(of_them)), TaskEmail.login_id.in_(login_ids))
    yield "emails of tasks", delete_rows(tx, TaskEmail, told)
    yield "tasks", delete_rows(tx, Task, of_them)
    yield "connections of entities", delete_rows(tx, EntityConnection, EntityConnection.team_member_id.in_(members))
    yield "team members", delete_rows(tx, TeamMember, TeamMember.id.in_(members))
    yield "who may see them", delete_rows(tx, ClientVisibility, ClientVisibility.client_id.in_(own))
    yield "links to XPM", delete_rows(tx, XpmLink, XpmLink.client_id.in_(own))
    yield "clients", delete_rows(tx, Client, Client.id.in_(own))
    yield "sessions and sign-ins", sum(delete_rows(tx, table, table.login_id.in_(login_ids)) for table in _OF_LOGIN)
    yield "logins", delete_rows(tx, Login, Login.id.in_(login_ids))
    yield "XPM records seen", delete_rows(tx, DirectoryRecord, _is_theirs(person))
    yield "XPM records being read", delete_rows(tx, DirectoryStaged, _is_staged(person))


#: What hangs on a login that people sign in with.
_OF_LOGIN: tuple[Any, ...] = (
    CoOwnerInvitation,
    ClientSession,
    SignInEntry,
    PendingSignIn,
    PasswordLink,
    PasswordReset,
    SecurityNotice,
    RecoveryCode,
    Passkey,
    PasskeyChallenge,
    SecondFactor,
    TermsAcceptance,
)


def _members(tx: Tx, person: DataSubject) -> list[UUID]:
    """The person's team members, and the person in other teams, by XPM record or by a reviewer's link."""
    linked = select(Relationship.team_member_id).where(_names(person), Relationship.team_member_id.is_not(None))
    statement = select(TeamMember.id).where(
        TeamMember.practice_id == person.practice_id,
        or_(
            TeamMember.client_id.in_(person.client_ids),
            TeamMember.xpm_uuid.in_(person.xpm_uuids),
            TeamMember.id.in_(linked),
        ),
    )
    return list(tx.session.scalars(statement))


def blank_imports(tx: Tx, person: DataSubject) -> int:
    """Erase the person from their imports. What stays is that and when they were requested, how they ended, and another
    client that one made by mistake."""
    client_id = case((Import.client_id.in_(person.client_ids), null()), else_=Import.client_id)
    blank = {"name": None, "email": None, "email_key": None, "client_id": client_id}
    return update_rows(tx, Import, Import.id.in_(person.import_ids), **blank)


def rename_key(tx: Tx, row: Import) -> None:
    """Replace an idempotency key that names the person."""
    update_rows(tx, Import, Import.id == row.id, idempotency_key=f"erased {row.id}")


def blank_team_email(tx: Tx, practice_id: UUID, addresses: Collection[str]) -> int:
    """Remove the person's email addresses from other people's team members; their names stay."""
    lowered = [address.lower() for address in addresses]
    shared = and_(TeamMember.practice_id == practice_id, func.lower(TeamMember.email).in_(lowered))
    return update_rows(tx, TeamMember, shared, email=None)


def blank_jobs(tx: Tx, person: DataSubject) -> int:
    """Erase messages from the person's jobs and attempts, dismiss their dead letters, and cancel their open jobs.

    Returns:
        How many jobs had a message, were dead or were open.
    """
    named = or_(false(), *(cast(Job.args, String).contains(str(client_id)) for client_id in person.client_ids))
    theirs = or_(Job.import_id.in_(person.import_ids), and_(Job.practice_id == person.practice_id, named))
    job_ids = list(tx.session.scalars(select(Job.id).where(theirs)))
    mine = Job.id.in_(job_ids)
    ended = {"lease_token": None, "lease_until": None, "deadline_at": None, "next_attempt_at": None}
    count = update_rows(tx, Job, and_(mine, Job.state == JobState.DEAD), state=JobState.DISMISSED, finished_at=db_now())
    is_open = and_(mine, Job.state.in_(OPEN_JOB_STATES))
    count += update_rows(tx, Job, is_open, state=JobState.CANCELLED, finished_at=db_now(), **ended)
    count += update_rows(tx, Job, and_(mine, Job.error_message.is_not(None)), error_message=None)
    update_rows(tx, JobAttempt, JobAttempt.job_id.in_(job_ids), error_message=None)
    return count


def audit_naming(tx: Tx, practice_id: UUID, words: Collection[str]) -> list[AuditEntry]:
    """Audit entries of the practice, or of no practice, whose text contains one of these words."""
    columns = (AuditEntry.why, AuditEntry.before, AuditEntry.after)
    has = _contains(columns, words)
    of_practice = or_(AuditEntry.practice_id == practice_id, AuditEntry.practice_id.is_(None))
    return list(tx.session.scalars(select(AuditEntry).where(of_practice, or_(*has)))) if has else []


def rewrite_audit(tx: Tx, entry_id: UUID, **texts: str | None) -> None:
    update_rows(tx, AuditEntry, AuditEntry.id == entry_id, **texts)


def tasks_naming(tx: Tx, practice_id: UUID, words: Collection[str]) -> list[Task]:
    """Other people's tasks in the practice whose text contains one of these words."""
    statement = select(Task).where(
        Task.practice_id == practice_id, or_(false(), *_contains((Task.title, Task.note, Task.answer), words))
    )
    return list(tx.session.scalars(statement))


def rewrite_task(tx: Tx, task_id: UUID, **texts: str | None) -> None:
    update_rows(tx, Task, Task.id == task_id, **texts)


def drop_malformed(tx: Tx, ids: Collection[UUID]) -> int:
    return delete_rows(tx, MalformedMessage, MalformedMessage.id.in_(ids))


def _contains(columns: Sequence[Any], words: Collection[str]) -> list[ColumnElement[bool]]:
    """Conditions that one of these columns contains one of these words, in any case."""
    return [
        or_(column.contains(word, autoescape=True), func.lower(column).contains(word.lower(), autoescape=True))
        for word in words
        for column in columns
    ]


def _names(person: DataSubject) -> ColumnElement[bool]:
    return and_(Relationship.practice_id == person.practice_id, Relationship.other_xpm_uuid.in_(person.xpm_uuids))


def _is_of_practice(table: type[Directory | DirectoryRecord], person: DataSubject) -> ColumnElement[bool]:
    """Whether a directory, or the record's, is one that a connection of the practice reads; or that none reads any more,
    because somebody reconnected the practice's tenant as another Xero user."""
    ours = XpmConnection.practice_id == person.practice_id
    read = select(XpmConnection.xero_login_id, XpmConnection.tenant_id).where(ours)
    former = select(Directory.xero_login_id, Directory.tenant_id).where(
        Directory.tenant_id.in_(select(XpmConnection.tenant_id).where(ours)),
        ~exists().where(same_directory(XpmConnection, Directory)),
    )
    return tuple_(table.xero_login_id, table.tenant_id).in_(union(read, former))


def _is_theirs(person: DataSubject) -> ColumnElement[bool]:
    return and_(_is_of_practice(DirectoryRecord, person), DirectoryRecord.xpm_uuid.in_(person.xpm_uuids))


def _is_staged(person: DataSubject) -> ColumnElement[bool]:
    """Whether a record is staged: all staged records go, because others may mention the person; they are read again."""
    syncs = (
        select(DirectorySync.id)
        .join(Directory, Directory.id == DirectorySync.directory_id)
        .where(_is_of_practice(Directory, person))
    )
    return DirectoryStaged.sync_id.in_(syncs)
