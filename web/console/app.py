"""The console's application: its pages, and nothing of the portal's but health, style sheets and scripts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio.to_thread
from fastapi import APIRouter, FastAPI

from web.console import audit, bulk, dead, imports, inbox, jobs, now, practices, schedules, sign_in, system
from web.console.console import Console
from web.console.errors import as_page
from web.http import health, problems, static_files
from web.http.access_log import AccessLog
from web.http.headers import SecurityHeaders
from web.http.where_from import WhereFrom

#: Bytes of a request's body.
MAX_BODY = 256 * 1024
#: Requests handled at once; few people watch.
THREADS = 10
PARTS = (sign_in, now, inbox, dead, bulk, jobs, imports, practices, schedules, audit, system)

router = APIRouter()
for _part in PARTS:
    router.include_router(_part.router)


def create_app(console: Console) -> FastAPI:
    """Create the application of a console.

    Raises:
        SettingsError: cookies to OPS_URL would not be safe.
    """
    console.require_safe_address()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
        yield

    app = FastAPI(
        openapi_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
        # P19: FastAPI's own telemetry would record what people typed, within validation errors.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.portal = console
    problems.add_to(app, as_page)
    app.include_router(health.router, max_body_size=0)
    app.include_router(router, max_body_size=MAX_BODY)
    app.include_router(static_files.router, max_body_size=0)
    app.add_middleware(problems.LastProblems, shape=as_page)  # the last added is the outermost
    app.add_middleware(WhereFrom)
    app.add_middleware(AccessLog, monotonic=console.services.sources.monotonic)
    app.add_middleware(SecurityHeaders, https=console.is_https)
    return app
