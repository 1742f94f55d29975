"""The shapes of answers: XPM's own, successes and errors, in the caller's format; and the gateway's problem JSON.

Source: facts on XPM 3.1's three layers of errors. Long lists are streamed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from itertools import islice
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from xpm.simulator.formats import Format, document, xml_head
from xpm.simulator.identity.access import Denial
from xpm.simulator.knobs import Knobs
from xpm.simulator.operations import CONNECTIONS, Operation
from xpm.simulator.practice.model import Client
from xpm.simulator.tenants import Tenant
from xpm.simulator.wire import Tree, View

STRICT = "practice-strict-content-type"
BATCH = 50
"""Clients in each piece of a streamed list: a few milliseconds' work, after which other calls can run."""


def format_for(headers: Mapping[str, str], knobs: Knobs) -> Format:
    """JSON only if it is accepted and the feature is requested; otherwise XML."""
    features = [feature.strip() for feature in headers.get("xero-features", "").split(",")]
    accepted = "application/json" in headers.get("accept", "")
    return Format.JSON if knobs.strict_content_type and accepted and STRICT in features else Format.XML


def good(request: Request, knobs: Knobs, tree: Tree) -> Response:
    """An answer with status OK."""
    form = format_for(request.headers, knobs)
    return Response(document(tree, form, api_method=api_method(request.url.path, knobs)), media_type=form.value)


def bad(headers: Mapping[str, str], knobs: Knobs, description: str, status_code: int) -> Response:
    """XPM's own error, which older versions send with HTTP 200."""
    form = format_for(headers, knobs)
    return Response(document({"errorDescription": description}, form, "ERROR"), status_code, media_type=form.value)


def nobody(operation: Operation, headers: Mapping[str, str], knobs: Knobs) -> Response:
    """A list of nobody: no clients in XPM, no connections at Xero."""
    if operation == CONNECTIONS:
        return JSONResponse([])
    form = format_for(headers, knobs)
    return Response(document({"clients": []}, form), media_type=form.value)


def problem(denial: Denial) -> JSONResponse:
    """The gateway's error: problem JSON with capitalised keys, whatever the requested format."""
    body = {"Type": None, "Title": denial.title, "Status": denial.status, "Detail": denial.detail}
    return JSONResponse({**body, "Instance": str(uuid4()), "Extensions": {}}, denial.status)


def api_method(path: str, knobs: Knobs) -> str | None:
    """The legacy attribute's value for a path, if the knob is on: `List` for `…/client.api/list`."""
    if not knobs.api_method_attribute:
        return None
    action = path.partition(".api/")[2].partition("/")[0]
    return action.title() or None


def client_list(request: Request, knobs: Knobs, tenant: Tenant, clients: Sequence[Client], view: View) -> Response:
    """A list of clients, sent in pieces."""
    form = format_for(request.headers, knobs)
    if form is Format.JSON:
        head, tail = b'{"clients":[', b'],"status":"OK"}'
    else:
        head = (xml_head("OK", api_method(request.url.path, knobs)) + "<Clients>").encode()
        tail = b"</Clients></Response>"
    return StreamingResponse(_pieces(head, tail, tenant, clients, view, form), media_type=form.value)


async def _pieces(
    head: bytes, tail: bytes, tenant: Tenant, clients: Sequence[Client], view: View, form: Format
) -> AsyncIterator[bytes]:
    rest = iter(clients)
    separator = b"," if form is Format.JSON else b""
    while batch := list(islice(rest, BATCH)):
        yield head + tenant.encoder.join(batch, view, form)
        head = separator
        await asyncio.sleep(0)
    yield (b"" if clients else head) + tail
