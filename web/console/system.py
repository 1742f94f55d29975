"""The system: release, migrations, workers, leader, pauses, the operators themselves, and what reconcile would find."""

from __future__ import annotations

from collections import defaultdict
from importlib.metadata import version

from fastapi import APIRouter
from fastapi.responses import Response

from handlers.access import operators
from handlers.jobs.kinds import KINDS
from handlers.operations import overview
from handlers.operations.reconcile import FINDING_TEXTS, Became, Finding, reconcile
from portal_db.migrate import standing
from portal_db.states import Lane
from web.console.operator import AtConsole, OpsPosted, TheOperator
from web.console.view import page
from web.pages.frame.forms import NO_ERRORS, FormErrors
from worker.queue.bell import RedisBell, connect
from worker.queue.inspect import RedisQueues

router = APIRouter()


#: Ids that are shown of one sort of finding.
SHOWN = 5


@router.get("/reconcile")
def show_reconcile(operator: TheOperator) -> Response:
    """What reconcile would find and repair now. It changes nothing, and calls XPM for nobody."""
    console = operator.console
    client = connect(console.settings)
    try:
        bell = RedisBell(client, console.settings.redis_namespace, console.services.sources)
        queues = RedisQueues(client, bell, console.settings.redis_namespace)
        report = reconcile(console.services, queues, dry_run=True, max_links=0)
    finally:
        client.close()
    by_sort: dict[tuple[str, Became], list[Finding]] = defaultdict(list)
    for found in report.findings:
        by_sort[found.code, found.became].append(found)
    sorts = [(FINDING_TEXTS[code], code, became, found) for (code, became), found in by_sort.items()]
    return page(operator, "console/reconcile.html", report=report, sorts=sorts, most=SHOWN)


@router.get("/system")
def show_system(operator: TheOperator) -> Response:
    return system_page(operator)


def system_page(operator: AtConsole, errors: FormErrors = NO_ERRORS, form: OpsPosted | None = None) -> Response:
    """The system, with what was typed into a form that was refused. A pause is never offered what was to be resumed."""
    database = operator.database
    is_a_pause = operator.request.url.path in ("/pauses", "/pauses/everything")
    return page(
        operator,
        "console/system.html",
        errors,
        found=overview.now(database),
        version=version("portal-sync"),
        standing=standing(database),
        operators=operators.listing(database),
        lanes=[("", "Any lane"), *((lane.value, lane.value) for lane in Lane)],
        kinds=[("", "Any kind"), *((kind, kind) for kind in KINDS)],
        typed={name: form.text(name) if form and is_a_pause else "" for name in ("lane", "kind", "reason")},
    )
