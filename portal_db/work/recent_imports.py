"""Recent imports for the integration progress page: each with its client, what it waits for, and what awaits review.

Each function runs one statement, however many imports a page shows, filtered by what the viewer may see.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import and_, func, select

from portal_db.database import Tx
from portal_db.paging import Cursor, is_any_time, newest_first
from portal_db.states import JobState, ReviewState
from portal_db.tables import (
    Client,
    DirectoryRecord,
    Import,
    Job,
    Relationship,
    Staff,
    XpmConnection,
    is_live_connection,
    same_directory,
)
from portal_db.types import db_time
from portal_db.visibility import Viewer
from portal_db.work.due import is_out_of_turn, is_paused, state_of_found

#: An import, its client once there is one, and the requester's name.
Row = tuple[Import, Client | None, str]

_NAME = DirectoryRecord.record["name"].as_string()
_EMAIL = DirectoryRecord.record["email"].as_string()


class InXpm(NamedTuple):
    """What XPM has of a record."""

    name: str
    email: str | None


def page(tx: Tx, viewer: Viewer, *, seconds: float, after: Cursor | None, limit: int) -> list[Row]:
    """A page of the imports requested in the last `seconds`, newest first."""
    statement = (
        select(Import, Client, Staff.name)
        .join(Staff, Staff.id == Import.requested_by)
        .outerjoin(Client, and_(Client.id == Import.client_id, viewer.may_see_client()))
        .where(viewer.may_see_import(), Import.created_at >= db_time(-seconds), is_any_time(Import.created_at))
    )
    page = newest_first(statement, Import.created_at, Import.id, after=after, limit=limit)
    return [(row, client, name) for row, client, name in tx.session.execute(page)]


def seen_in_xpm(tx: Tx, practice_id: UUID, staff_id: UUID, xpm_uuids: Sequence[UUID]) -> dict[UUID, InXpm]:
    """What XPM has of these records, as far as this staff member's own connection has seen them: a colleague's sees
    records that they may not see in XPM."""
    statement = (
        select(DirectoryRecord.xpm_uuid, _NAME, _EMAIL)
        .join(XpmConnection, same_directory(XpmConnection, DirectoryRecord))
        .where(XpmConnection.practice_id == practice_id, XpmConnection.staff_id == staff_id)
        .where(is_live_connection, DirectoryRecord.xpm_uuid.in_(xpm_uuids))
    )
    return {uuid: InXpm(name, email) for uuid, name, email in tx.session.execute(statement) if name}


def requested_names(tx: Tx, practice_id: UUID, import_ids: Sequence[UUID]) -> dict[UUID, str]:
    """For each of these imports the name of its record in XPM, as far as its requester's own connection has seen it."""
    statement = (
        select(Import.id, _NAME)
        .join(XpmConnection, XpmConnection.staff_id == Import.requested_by)
        .join(DirectoryRecord, same_directory(DirectoryRecord, XpmConnection))
        .where(Import.practice_id == practice_id, Import.id.in_(import_ids))
        .where(is_live_connection, DirectoryRecord.xpm_uuid == Import.xpm_uuid)
    )
    return {import_id: name for import_id, name in tx.session.execute(statement) if name}


def names(tx: Tx, viewer: Viewer, practice_id: UUID, rows: Sequence[Import]) -> dict[UUID, str]:
    """What each of these imports is about, by import: its client's name if the viewer may see it, else the requested name,
    else XPM's."""
    statement = (
        select(Import.id, Client.name)
        .join(Client, Client.id == Import.client_id)
        .where(viewer.may_see_client(), Import.id.in_([row.id for row in rows]))
    )
    found: dict[UUID, str] = dict(tx.session.execute(statement).all())
    found = {row.id: row.name for row in rows if row.name} | found
    return requested_names(tx, practice_id, [row.id for row in rows if row.id not in found]) | found


def steps(tx: Tx, import_ids: Sequence[UUID]) -> dict[UUID, list[tuple[str, JobState]]]:
    """The kinds and states of each import's jobs."""
    found: dict[UUID, list[tuple[str, JobState]]] = {import_id: [] for import_id in import_ids}
    statement = select(Job.import_id, Job.kind, Job.state).where(Job.import_id.in_(import_ids))
    for import_id, kind, state in tx.session.execute(statement) if import_ids else ():
        if import_id is not None:
            found[import_id].append((kind, state))
    return found


def waiting_jobs(tx: Tx, import_ids: Sequence[UUID]) -> dict[UUID, Job]:
    """For each import that waits, its waiting job that is due first: it says why."""
    statement = select(Job).where(Job.import_id.in_(import_ids), state_of_found == JobState.WAITING)
    newest_first = statement.order_by(Job.next_attempt_at.desc(), Job.id)
    return {job.import_id: job for job in tx.session.scalars(newest_first) if job.import_id is not None}


def blocked(tx: Tx, import_ids: Sequence[UUID]) -> dict[UUID, str]:
    """Imports with a queued job that cannot be claimed now, each with the reason."""
    queued = select(Job.import_id).where(Job.import_id.in_(import_ids), state_of_found == JobState.QUEUED)
    waits = dict.fromkeys(tx.session.scalars(queued.where(is_out_of_turn())), "Earlier rows of its batch come first.")
    waits |= dict.fromkeys(tx.session.scalars(queued.where(is_paused())), "Paused by operations.")
    return {import_id: why for import_id, why in waits.items() if import_id is not None}


def pending_reviews(tx: Tx, viewer: Viewer, client_ids: Sequence[UUID]) -> dict[UUID, int]:
    """How many items await review for each of these clients that the viewer may see."""
    statement = (
        select(Relationship.client_id, func.count())
        .join(Client, Client.id == Relationship.client_id)
        .where(viewer.may_see_client(), Relationship.client_id.in_(client_ids))
        .where(Relationship.state == ReviewState.PENDING)
        .group_by(Relationship.client_id)
    )
    return dict(tx.session.execute(statement).all())
