"""The FastAPI application: its routers, its middleware, and its OpenAPI document."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

import anyio.to_thread
from fastapi import FastAPI

from web import api, pages
from web.http import health, problems, static_files
from web.http.access_log import AccessLog
from web.http.bodies import NewBatch
from web.http.headers import SecurityHeaders
from web.http.sunset import Sunset
from web.http.told_redirects import ToldRedirects
from web.http.where_from import WhereFrom
from web.pages.frame.errors import as_page
from web.portal import Portal

#: Bytes of a request's body; endpoints that accept more declare it.
MAX_BODY = 64 * 1024
#: Requests handled at once; the others wait. Each needs one database connection.
THREADS = 20

DESCRIPTION = "Imports clients and entities from Xero Practice Manager (XPM) into the client portal."


def create_app(portal: Portal) -> FastAPI:
    """Create the application of a portal.

    Raises:
        SettingsError: cookies to PUBLIC_URL would not be safe.
    """
    portal.require_safe_address()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
        yield

    app = FastAPI(
        title="portal-sync",
        version=version("portal-sync"),
        description=DESCRIPTION,
        openapi_url=f"{api.PREFIX}/openapi.json",
        docs_url=None,  # it would load scripts from other sites
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
        # P19: FastAPI's own telemetry would record what people typed, within validation errors.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.portal = portal
    problems.add_to(app, as_page)
    # Limits per router: the application's own limit would apply outside all of our middleware.
    app.include_router(health.router, max_body_size=0)
    app.include_router(api.router, max_body_size=MAX_BODY)
    app.include_router(pages.router, max_body_size=MAX_BODY)
    app.include_router(static_files.router, max_body_size=0)
    app.openapi = _with_problems(app.openapi)  # type: ignore[method-assign]  # as FastAPI documents it
    app.add_middleware(problems.LastProblems, shape=as_page)  # the last added is the outermost
    app.add_middleware(WhereFrom)
    app.add_middleware(AccessLog, monotonic=portal.services.sources.monotonic)
    app.add_middleware(ToldRedirects)
    app.add_middleware(Sunset)
    app.add_middleware(SecurityHeaders, https=portal.is_https)
    return app


def _with_problems(generate: Callable[[], dict[str, Any]]) -> Callable[[], dict[str, Any]]:
    """FastAPI's document, with the schemas it cannot find: of errors, and of a body with two media types."""

    def openapi() -> dict[str, Any]:
        found = generate()
        schemas = found.setdefault("components", {}).setdefault("schemas", {})
        for model in (problems.Problem, NewBatch):
            schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas.update(schema.pop("$defs", {}), **{model.__name__: schema})
        return found

    return openapi
