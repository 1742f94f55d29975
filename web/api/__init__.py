"""The API under `/api/v1`: one module per resource with its models and routes; the rules are in `handlers`."""

from __future__ import annotations

from fastapi import APIRouter

from web.api import (
    activation,
    batches,
    clients,
    entity_connections,
    imports,
    integration,
    keys,
    review,
    search,
    session,
    sign_ins,
    structures,
    tasks,
    webhooks,
)
from web.http.problems import RESPONSES

PREFIX = "/api/v1"

router = APIRouter(prefix=PREFIX, responses=RESPONSES)
for _part in (
    session,
    activation,
    keys,
    sign_ins,
    search,
    imports,
    batches,
    clients,
    review,
    entity_connections,
    tasks,
    integration,
    structures,
    webhooks,
):
    router.include_router(_part.router)
