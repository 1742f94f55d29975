"""Which staff a client is assigned to: they see it in their list. Owners and account admins see every client."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from handlers import refusals
from handlers.access.act import Act
from handlers.access.caller import Caller, Scope
from portal_db.access import people
from portal_db.clients import client_queries, clients
from portal_db.clients.client_queries import ClientFilter, Order
from portal_db.database import Database, Tx
from portal_db.tables import Staff


def assignees(database: Database, caller: Caller, client_id: UUID) -> Sequence[Staff]:
    """Who a client is assigned to, by name.

    Raises:
        RequestRefused: not found, or not visible to the caller.
    """
    with database.read() as tx:
        _require_visible(tx, caller, [client_id])
        return clients.assignees(tx, client_id)


def assign(database: Database, caller: Caller, client_ids: Collection[UUID], staff_id: UUID) -> None:
    """Assign clients to a colleague as well; those who have them keep them.

    Raises:
        RequestRefused: the caller may not import, does not see one of the clients, or nobody with this id works there.
    """
    caller.require(Scope.IMPORT)
    with database.write() as tx:
        _require_visible(tx, caller, client_ids)
        if people.at_work(tx, staff_id, practice_id=caller.practice_id) is None:
            raise refusals.UNKNOWN_COLLEAGUE()
        clients.make_visible(tx, [(client_id, staff_id) for client_id in client_ids])
        _audit(tx, caller, "client.assign", client_ids, after=staff_id)


def unassign(database: Database, caller: Caller, client_ids: Collection[UUID], staff_id: UUID) -> None:
    """Take clients away from a staff member.

    Raises:
        RequestRefused: the caller is neither owner nor account admin, or one of the clients is not their practice's.
    """
    caller.require(Scope.MANAGE)
    with database.write() as tx:
        _require_visible(tx, caller, client_ids)
        clients.hide(tx, client_ids, staff_id)
        _audit(tx, caller, "client.unassign", client_ids, before=staff_id)


def _require_visible(tx: Tx, caller: Caller, client_ids: Collection[UUID]) -> None:
    wanted = ClientFilter(ids=client_ids)
    _, count = client_queries.listing(tx, caller.viewer, wanted, Order.NAME, offset=0, limit=1)
    if not client_ids or count != len(set(client_ids)):
        raise refusals.UNKNOWN_CLIENT()


def _audit(
    tx: Tx,
    caller: Caller,
    action: str,
    client_ids: Collection[UUID],
    *,
    before: UUID | None = None,
    after: UUID | None = None,
) -> None:
    act = Act.of_staff(caller)
    for client_id in client_ids:
        change = {name: f"staff {value}" for name, value in (("before", before), ("after", after)) if value}
        act.audit(tx, action, "client", client_id, caller.practice_id, **change)
