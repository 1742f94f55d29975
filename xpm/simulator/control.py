"""The control API under `/_sim/`, with which tests inspect and change the simulator's data; and its one page.

It has no access check: the simulator listens on loopback and holds only made-up people.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict
from html import escape
from itertools import islice
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from xpm.simulator.edits import edit
from xpm.simulator.faults import FaultRule
from xpm.simulator.operations import uuid_of
from xpm.simulator.practice.model import Client
from xpm.simulator.state import Simulator
from xpm.simulator.tenants import Tenant
from xpm.simulator.truth import truth_line, truth_lines

_PAGE = (Path(__file__).parent / "page.html").read_text(encoding="utf-8")


def control_routes(simulator: Simulator) -> list[Route]:
    """The routes of the control API and the page."""
    control = Control(simulator)
    return [
        Route("/", control.page, methods=["GET"]),
        Route("/_sim/counters", control.counters, methods=["GET"]),
        Route("/_sim/counters/reset", control.reset_counters, methods=["POST"]),
        Route("/_sim/quota/refill", control.refill_quota, methods=["POST"]),
        Route("/_sim/truth", control.truth, methods=["GET"]),
        Route("/_sim/log", control.log, methods=["GET"]),
        Route("/_sim/knobs", control.read_knobs, methods=["GET"]),
        Route("/_sim/knobs", control.turn_knobs, methods=["PUT"]),
        Route("/_sim/faults", control.list_faults, methods=["GET"]),
        Route("/_sim/faults", control.add_faults, methods=["POST"]),
        Route("/_sim/faults", control.clear_faults, methods=["DELETE"]),
        Route("/_sim/clients/{uuid}", control.edit_client, methods=["PUT"]),
        Route("/_sim/clients/{uuid}", control.delete_client, methods=["DELETE"]),
    ]


class Control:
    """One method for each route. Mistakes in a request are answered 400 with a sentence."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    async def counters(self, _: Request) -> Response:
        """Calls, statuses, refusals and peaks since the last reset, and what the identity server did."""
        return JSONResponse({**self._simulator.counters.as_json(), "oauth": dict(self._simulator.grants.counts)})

    async def reset_counters(self, _: Request) -> Response:
        """Reset counters and log. The quota stays as it is."""
        self._simulator.counters.reset()
        self._simulator.grants.counts.clear()
        return Response(status_code=204)

    async def refill_quota(self, _: Request) -> Response:
        """Refill the quota, as if a day had passed without a call."""
        self._simulator.quota.refill()
        return Response(status_code=204)

    async def truth(self, request: Request) -> Response:
        """The current truth, in the lines of the truth file; `?tenant=` for one tenant."""
        practices = self._simulator.practices
        wanted = request.query_params.get("tenant")
        chosen = {key: practice for key, practice in practices.items() if wanted in (None, key)}
        return StreamingResponse(_in_batches(truth_lines(chosen)), media_type="application/x-ndjson")

    async def log(self, _: Request) -> Response:
        """The calls since the last reset, oldest first."""
        return JSONResponse([entry.as_json() for entry in self._simulator.counters.log])

    async def read_knobs(self, _: Request) -> Response:
        return JSONResponse(asdict(self._simulator.knobs))

    async def turn_knobs(self, request: Request) -> Response:
        """Set the knobs in the body. The others stay."""
        try:
            self._simulator.knobs = self._simulator.knobs.changed(await _body(request))
        except (ValueError, TypeError) as error:
            raise HTTPException(400, str(error)) from error
        return await self.read_knobs(request)

    async def list_faults(self, _: Request) -> Response:
        return JSONResponse([_rule_json(rule) for rule in self._simulator.faults.rules])

    async def add_faults(self, request: Request) -> Response:
        """Add a rule after the existing ones. See `FaultRule` for its fields."""
        try:
            self._simulator.faults.add(FaultRule.from_json(await _body(request)))
        except (ValueError, TypeError) as error:
            raise HTTPException(400, str(error)) from error
        return await self.list_faults(request)

    async def clear_faults(self, _: Request) -> Response:
        self._simulator.faults.clear()
        return Response(status_code=204)

    async def edit_client(self, request: Request) -> Response:
        """Change fields of a client, named and shaped as in the truth. Returns its new truth."""
        tenant, client = self._client(request)
        try:
            renamed = edit(client, await _body(request), self._simulator.clock.utc())
        except (ValueError, TypeError, KeyError, ArithmeticError) as error:
            raise HTTPException(400, f"That is not an edit: {error}") from error
        tenant.encoder.forget(None if renamed else client.uuid)
        return Response(truth_line(client, tenant.practice, tenant.tenant_id), media_type="application/json")

    async def delete_client(self, request: Request) -> Response:
        """Mark a client deleted, as XPM does; with `?purge=true`, remove it."""
        tenant, client = self._client(request)
        if request.query_params.get("purge") == "true":
            del tenant.practice.clients[client.uuid]
        else:
            edit(client, {"is_deleted": True}, self._simulator.clock.utc())
        tenant.encoder.forget(client.uuid)
        return Response(status_code=204)

    def _client(self, request: Request) -> tuple[Tenant, Client]:
        uuid = uuid_of(request.path_params["uuid"])
        found = self._simulator.find(uuid) if uuid else None
        if found is None:
            raise HTTPException(404, "No tenant has a client of that uuid.")
        return found

    async def page(self, _: Request) -> Response:
        """The counters and tenants, for people."""
        return HTMLResponse(_PAGE.replace("{{rows}}", "".join(self._rows())))

    def _rows(self) -> Iterator[str]:
        facts: dict[str, object] = {**self._simulator.counters.as_json()}
        for tenant in self._simulator.tenants.values():
            left = self._simulator.quota.remaining(tenant.tenant_id)
            facts[f"{tenant.practice.name} ({tenant.tenant_id})"] = (
                f"{len(tenant.practice.clients)} clients; {left.minute} calls left this minute, {left.day} today"
            )
        for name, value in facts.items():
            shown = ", ".join(f"{key}: {count}" for key, count in value.items()) if isinstance(value, dict) else value
            yield f"<tr><th scope=row>{escape(name.replace('_', ' '))}</th><td>{escape(str(shown)) or 'none'}</td></tr>"


async def _in_batches(lines: Iterator[str]) -> AsyncIterator[str]:
    """Lines a hundred at a time, so that other calls can run in between."""
    while batch := "".join(islice(lines, 100)):
        yield batch
        await asyncio.sleep(0)


async def _body(request: Request) -> dict[str, object]:
    """The request's JSON object.

    Raises:
        ValueError: for anything else.
    """
    body = json.loads(await request.body())
    if not isinstance(body, dict):
        raise ValueError("The body must be a JSON object.")
    return body


def _rule_json(rule: FaultRule) -> dict[str, object]:
    return {**asdict(rule), "uuid": str(rule.uuid) if rule.uuid else None}
