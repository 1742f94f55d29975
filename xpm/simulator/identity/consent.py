"""The consent page: which practices, and allow or cancel. Its form calls the authorise address again, with the answer."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from pathlib import Path

from starlette.datastructures import QueryParams

from xpm.simulator.tenants import Tenant

_PAGE = (Path(__file__).parent / "consent.html").read_text(encoding="utf-8")


def page(asked: QueryParams, tenants: list[Tenant]) -> str:
    """The page that asks a person for consent. The first practice is ticked."""
    hidden = "".join(f'<input type="hidden" name="{escape(k)}" value="{escape(v)}">' for k, v in asked.items())
    return _PAGE.replace("{{hidden}}", hidden).replace("{{practices}}", "\n".join(_boxes(tenants)))


def _boxes(tenants: list[Tenant]) -> Iterator[str]:
    for place, tenant in enumerate(tenants):
        box = f'<input type="checkbox" name="practice" value="{escape(tenant.tenant_id)}"{"" if place else " checked"}>'
        yield f"<label>{box} {escape(tenant.name or tenant.practice.name)}</label>"
