"""The sign-in log of the caller's practice, for owners and account admins."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field

from handlers.access import sign_in_log
from handlers.access.sign_in_log import SignInEvent
from portal_db.access.sign_in_log import LoggedEvent
from web.http.identity import Keeper
from web.http.models import Answer
from web.http.paging import ListPage, ListQuery
from web.portal import ThePortal

router = APIRouter(prefix="/sign-ins", tags=["sign-in log"])


class SignIn(Answer):
    id: UUID
    at: datetime
    event: str = Field(description=", ".join(SignInEvent))
    staff_id: UUID | None = Field(description="whose sign-in it is about; null for an API key that names nobody")
    name: str | None
    address: str | None = Field(description="the network address; null for an operator at the command line")
    agent: str | None = Field(description="the user agent as it was sent")
    detail: str | None

    @classmethod
    def of(cls, found: LoggedEvent) -> SignIn:
        return cls.from_row(found.entry, name=found.name)


@router.get("")
def list_sign_ins(portal: ThePortal, who: Keeper, query: Annotated[ListQuery, Query()]) -> ListPage[SignIn]:
    """Sign-ins, failures, changes of passwords, ended sessions and refused API keys, newest first."""
    found = sign_in_log.listing(portal.database, who, cursor=query.cursor, limit=query.limit)
    return ListPage[SignIn].of(found, SignIn.of)
