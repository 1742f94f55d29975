"""The system: release, migrations, workers, leader, pauses, and the operators themselves."""

from __future__ import annotations

from importlib.metadata import version

from fastapi import APIRouter
from fastapi.responses import Response

from handlers.access import operators
from handlers.jobs.kinds import KINDS
from handlers.operations import overview
from portal_db.migrate import standing
from portal_db.states import Lane
from web.console.operator import TheOperator
from web.console.view import page

router = APIRouter()


@router.get("/system")
def show_system(operator: TheOperator) -> Response:
    database = operator.database
    return page(
        operator,
        "console/system.html",
        found=overview.now(database),
        version=version("portal-sync"),
        standing=standing(database),
        operators=operators.listing(database),
        lanes=[("", "Any lane"), *((lane.value, lane.value) for lane in Lane)],
        kinds=[("", "Any kind"), *((kind, kind) for kind in KINDS)],
    )
