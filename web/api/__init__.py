"""The API under `/api/v1`: one module per resource, each as thin as its answers allow."""

from __future__ import annotations

from fastapi import APIRouter

from web.api import (
    activation,
    batches,
    clients,
    entity_connections,
    history,
    imports,
    integration,
    keys,
    review,
    search,
    session,
    structures,
    sync_summaries,
    tasks,
    webhooks,
)
from web.problems import RESPONSES

PREFIX = "/api/v1"

router = APIRouter(prefix=PREFIX, responses=RESPONSES)
for _part in (
    session,
    activation,
    keys,
    search,
    imports,
    batches,
    clients,
    review,
    history,
    entity_connections,
    tasks,
    integration,
    structures,
    sync_summaries,
    webhooks,
):
    router.include_router(_part.router)
