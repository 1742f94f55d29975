"""The first page: how the portal is doing now."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response

from handlers.operations import overview
from web.console.operator import TheOperator
from web.console.view import page

router = APIRouter()


@router.get("/")
def show_now(operator: TheOperator) -> Response:
    return page(operator, "console/now.html", found=overview.now(operator.database))
