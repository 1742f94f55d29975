"""Admin settings > Security > Sign-in log, for owners and account admins."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from fastapi.responses import Response

from handlers.access import sign_in_log
from handlers.fields import Text
from web.pages.frame.view import page
from web.pages.frame.visitor import TheVisitor

router = APIRouter()

PATH = "/admin/security/sign-ins"
PAGE_SIZE = 50


@router.get(PATH)
def show(visitor: TheVisitor, cursor: Annotated[Text, Query(max_length=200)] = "") -> Response:
    """A page of the practice's sign-ins and what else concerns them, newest first."""
    found = sign_in_log.listing(visitor.database, visitor.caller, cursor=cursor or None, limit=PAGE_SIZE)
    older = f"{PATH}?{urlencode({'cursor': found.next})}" if found.next else None
    days = visitor.portal.settings.keep_audit_days
    return page(visitor, "settings/sign_in_log.html", events=found.items, older=older, days=days)
