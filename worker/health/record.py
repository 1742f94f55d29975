"""Why a database cannot be used, in words for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

if TYPE_CHECKING:  # it takes a third of a second to import, which each worker would pay
    from portal_db.migrate import Standing


def misfit(found: Standing) -> tuple[str, str]:
    """Why this version cannot work with the database, and what to do: each without a full stop."""
    if found.current is None:
        return "The database has no tables yet", "run `portal-sync db upgrade`"
    if found.is_newer:
        return (
            f"A newer version has migrated the database to revision {found.current}, and versions older than revision"
            f" {found.broken_by} cannot work with it; this one is at {found.newest}",
            "start the newer version",
        )
    return (
        f"The database is at revision {found.current} and this version needs {found.newest}",
        "run `portal-sync db upgrade`, or use the version of portal-sync that matches",
    )


def reason_of(error: SQLAlchemyError) -> str:
    """The first line of the driver's message."""
    words = str(error.orig if isinstance(error, DBAPIError) and error.orig else error).strip()
    return words.splitlines()[0][:200].rstrip(".") if words else type(error).__name__
