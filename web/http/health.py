"""Health checks for load balancers: whether the process is running, and whether it can serve requests."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel

from handlers import refusals
from portal_db.migrate import standing
from web.portal import ThePortal

router = APIRouter(include_in_schema=False)


class Health(BaseModel):
    status: Literal["ok"] = "ok"


@router.get("/healthz")
async def alive() -> Health:
    """The process answers; on the event loop, so that no thread needs to be free."""
    return Health()


@router.get("/readyz")
def ready(portal: ThePortal) -> Health:
    """The database answers, and this version works with its tables. Redis is not checked: requests are accepted without."""
    if not standing(portal.database).fits:
        raise refusals.NOT_READY()
    return Health()
