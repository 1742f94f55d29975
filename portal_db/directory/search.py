"""Reading a directory: searching by part of a name or the beginning of a client code, reading all of it, and counting its
business structures."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, case, func, or_, select, true

from config.folding import fold_name
from portal_db import names
from portal_db.database import Tx
from portal_db.directory.directories import is_in
from portal_db.tables import Directory, DirectoryRecord, XpmConnection, XpmLink, is_live_connection, same_directory
from portal_db.visibility import Viewer

S = TypeVar("S", bound=Select[*tuple[Any, ...]])

#: Names in one statement.
NAMES_AT_ONCE = 500


def find(tx: Tx, directory: Directory, text: str, *, is_guess: bool, limit: int) -> list[DirectoryRecord]:
    """Records whose name contains every word of a text or whose client code begins with it, or with `is_guess` whose name
    does but for a typing error, except gone and deleted ones. Names that begin with the text come first, then names in which
    a word begins with it."""
    # They are chosen by what the index of names holds, and only then read.
    wanted = select(DirectoryRecord.xpm_uuid).where(_is_found(directory, text, is_guess))
    ids = _best_first(wanted, text).limit(limit)
    chosen = select(DirectoryRecord).where(is_in(directory), DirectoryRecord.xpm_uuid.in_(ids))
    return list(tx.session.scalars(_best_first(chosen, text)))


def find_unlinked(
    tx: Tx, viewer: Viewer, directory: Directory, text: str, *, is_guess: bool, limit: int
) -> tuple[list[DirectoryRecord], int]:
    """The first of the records that `find` finds, or without a text of all, that no client is linked to that the viewer may
    see, and how many there are."""
    linked = select(XpmLink.id).where(
        viewer.may_see_link(), XpmLink.xpm_uuid == DirectoryRecord.xpm_uuid, XpmLink.disconnected_at.is_(None)
    )
    wanted = select(DirectoryRecord.xpm_uuid, func.count().over().label("total")).where(
        _is_found(directory, text, is_guess), ~linked.exists()
    )
    chosen = _best_first(wanted, text).limit(limit).subquery()
    records = select(DirectoryRecord, chosen.c.total).join(chosen, chosen.c.xpm_uuid == DirectoryRecord.xpm_uuid)
    found = tx.session.execute(_best_first(records.where(is_in(directory)), text)).all()
    return [record for record, _ in found], found[0].total if found else 0


def ids_of(directory: Directory, text: str, *, is_guess: bool) -> Select[UUID]:
    """A query of the ids of the records that `find` finds by their names."""
    named = names.contain(text, DirectoryRecord.name_key, is_guess=is_guess)
    return select(DirectoryRecord.xpm_uuid).where(_is_there(directory), named)


def _is_found(directory: Directory, text: str, is_guess: bool) -> ColumnElement[bool]:
    found = names.contain(text, DirectoryRecord.name_key, is_guess=is_guess) if text else true()
    if text and not is_guess:
        found = or_(found, names.code_begins_with(text, DirectoryRecord.code_key))
    return and_(_is_there(directory), found)


def _is_there(directory: Directory) -> ColumnElement[bool]:
    return and_(is_in(directory), DirectoryRecord.gone_at.is_(None), ~DirectoryRecord.is_deleted)


def _best_first(statement: S, text: str) -> S:
    name, key = DirectoryRecord.name_key, fold_name(text)
    if not key:  # in the order of the index
        return statement.order_by(name, DirectoryRecord.xpm_uuid)
    place = case((name.startswith(key, autoescape=True), 0), (name.contains(f" {key}", autoescape=True), 1), else_=2)
    return statement.order_by(place, name, DirectoryRecord.xpm_uuid)


def of_names(tx: Tx, directory: Directory, keys: Collection[str]) -> list[DirectoryRecord]:
    """The records with these whole folded names or client codes, except gone, deleted and archived ones."""
    is_current = and_(_is_there(directory), ~DirectoryRecord.is_archived)
    wanted, found = sorted(keys), dict[UUID, DirectoryRecord]()
    for start in range(0, len(wanted), NAMES_AT_ONCE):
        some = wanted[start : start + NAMES_AT_ONCE]
        named = or_(DirectoryRecord.name_key.in_(some), DirectoryRecord.code_key.in_(some))
        records = tx.session.scalars(select(DirectoryRecord).where(is_current, named))
        found.update((record.xpm_uuid, record) for record in records)
    return list(found.values())


def all_records(tx: Tx, directory: Directory) -> list[DirectoryRecord]:
    """Every record except gone ones, archived and deleted ones too, by id."""
    statement = select(DirectoryRecord).where(is_in(directory), DirectoryRecord.gone_at.is_(None))
    return list(tx.session.scalars(statement.order_by(DirectoryRecord.xpm_uuid)))


def structures_of(tx: Tx, practice_id: UUID) -> Sequence[tuple[str, int]]:
    """The business structures in a practice's directories with the number of records that have each, most frequent first."""
    through = and_(
        same_directory(XpmConnection, DirectoryRecord),
        XpmConnection.practice_id == practice_id,
        is_live_connection,
    )
    count = func.count(DirectoryRecord.xpm_uuid.distinct())
    statement = (
        select(DirectoryRecord.structure, count)
        .join(XpmConnection, through)
        .where(
            DirectoryRecord.structure.is_not(None),
            DirectoryRecord.gone_at.is_(None),
            ~or_(DirectoryRecord.is_deleted, DirectoryRecord.is_archived),
        )
        .group_by(DirectoryRecord.structure)
        .order_by(count.desc(), DirectoryRecord.structure)
    )
    return [(structure or "", number) for structure, number in tx.session.execute(statement)]
