"""Health checks for load balancers: whether the process is running, and whether it can serve requests."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from handlers import refusals
from portal_db.migrate import revisions
from web.portal import ThePortal

router = APIRouter(include_in_schema=False)


class Health(BaseModel):
    status: Literal["ok"] = "ok"


@router.get("/healthz")
def alive() -> Health:
    """The process answers."""
    return Health()


@router.get("/readyz")
def ready(portal: ThePortal) -> Health:
    """The database answers and has this version's tables. Redis is not checked: requests are accepted without it."""
    current, newest = revisions(portal.database)
    if current != newest:
        raise refusals.NOT_READY()
    return Health()
