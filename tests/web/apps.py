"""Applications that serve test after test: FastAPI works out an application's routes at its first request, for a third of a
second."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from fastapi import FastAPI

from web.portal import Portal

P = TypeVar("P", bound=Portal)

_free: dict[Any, FastAPI] = {}


@contextmanager
def lent(create_app: Callable[[P], FastAPI], portal: P) -> Iterator[FastAPI]:
    """An application of this portal. One to which the block adds routes serves no other test."""
    portal.require_safe_address()
    kind = (create_app, portal.is_https)
    app = _free.pop(kind, None) or create_app(portal)
    app.state.portal = portal
    routes = len(app.router.routes)
    yield app
    if len(app.router.routes) == routes:
        _free[kind] = app
