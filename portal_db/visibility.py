"""Which rows a staff member may see: conditions that every query of the portal's side includes.

Clients: those made visible to them (b.7), or all of the practice's for roles that see everything. Links to XPM: those of
such clients. Imports: those they requested, and those of clients that they may see. Other practices' rows are never visible.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, and_, or_, select

from portal_db.tables import Client, ClientVisibility, Import, XpmLink


@dataclass(frozen=True, slots=True)
class Viewer:
    """A staff member of a practice who sees all its clients (`sees_all`), or only those made visible to them."""

    practice_id: UUID
    staff_id: UUID
    sees_all: bool

    def may_see_client(self) -> ColumnElement[bool]:
        """The condition on `Client`."""
        if self.sees_all:
            return Client.practice_id == self.practice_id
        return and_(Client.practice_id == self.practice_id, Client.id.in_(self._visible_clients()))

    def may_see_link(self) -> ColumnElement[bool]:
        """The condition on `XpmLink`: its client may be seen. Without the clients themselves, which a link is of the same
        practice as, PostgreSQL joins thousands of links at once instead of one by one."""
        if self.sees_all:
            return XpmLink.practice_id == self.practice_id
        return and_(XpmLink.practice_id == self.practice_id, XpmLink.client_id.in_(self._visible_clients()))

    def may_see_import(self) -> ColumnElement[bool]:
        """The condition on `Import`."""
        if self.sees_all:
            return Import.practice_id == self.practice_id
        theirs = or_(Import.requested_by == self.staff_id, Import.client_id.in_(self._visible_clients()))
        return and_(Import.practice_id == self.practice_id, theirs)

    def _visible_clients(self) -> ColumnElement[UUID]:
        return select(ClientVisibility.client_id).where(ClientVisibility.staff_id == self.staff_id).scalar_subquery()
