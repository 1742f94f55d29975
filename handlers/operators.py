"""Who acts for the platform: the operator behind an audited action."""

from __future__ import annotations

from uuid import UUID

from handlers.requests import RequestRefused
from portal_db import people
from portal_db.database import Tx


def require_operator(tx: Tx, operator_id: UUID) -> None:
    """Check that there is such an operator.

    Raises:
        RequestRefused: there is none.
    """
    if people.get_operator(tx, operator_id) is None:
        raise RequestRefused(
            "unknown_operator",
            "There is no operator with this id.",
            "Give an operator's id; `portal-sync operator add` makes one.",
            field="operator_id",
        )
