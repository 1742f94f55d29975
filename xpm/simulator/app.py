"""The calls of XPM 3.1 that the portal uses, and Xero's list of connections, as a Starlette application.

Access, quota and faults are handled by the gate, and set through the control API.
"""

from __future__ import annotations

from datetime import UTC, datetime

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from xpm.simulator import answers, wire
from xpm.simulator.control import control_routes
from xpm.simulator.gate import Gate
from xpm.simulator.identity.grants import auth_event_id, connection_id
from xpm.simulator.oauth import oauth_routes
from xpm.simulator.operations import uuid_of
from xpm.simulator.state import Simulator
from xpm.simulator.tenants import BASE_PATH, Tenant

_UNKNOWN_UUID_STATUS = {"ok_error": 200, "not_found": 404, "server_error": 500}
_ORGANISATION = "70784a63-d24b-46a9-a4db-0e70a274b056"
_CONNECTED = "2026-01-07T18:46:19.5165400"  # Seven digits and no zone, as Xero writes it.


def create_app(simulator: Simulator) -> ASGIApp:
    """The whole simulator as an ASGI application."""
    calls = XpmCalls(simulator)
    xpm = {
        "client.api/get/{uuid}": calls.get_client,
        "client.api/search": calls.search,
        "client.api/list": calls.list_clients,
        "clientgroup.api/list": calls.list_groups,
        "clientgroup.api/get/{uuid}": calls.get_group,
        "staff.api/list": calls.list_staff,
    }
    routes = [Route(f"{BASE_PATH}/{path}", endpoint, methods=["GET"]) for path, endpoint in xpm.items()]
    routes.append(Route("/connections", calls.connections, methods=["GET"]))
    return Gate(Starlette(routes=[*routes, *oauth_routes(simulator), *control_routes(simulator)]), simulator)


class XpmCalls:
    """One method for each call. The gate has already checked the token and the tenant."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator

    def _tenant(self, request: Request) -> Tenant:
        return self._simulator.tenants[request.headers["xero-tenant-id"]]

    def _good(self, request: Request, tree: wire.Tree) -> Response:
        return answers.good(request, self._simulator.knobs, tree)

    def _unknown(self, request: Request, what: str) -> Response:
        knobs = self._simulator.knobs
        return answers.bad(
            request.headers, knobs, f"Invalid {what} identifier", _UNKNOWN_UUID_STATUS[knobs.unknown_uuid]
        )

    async def get_client(self, request: Request) -> Response:
        """One client with all fields, archived and deleted ones too."""
        practice = self._tenant(request).practice
        uuid = uuid_of(request.path_params["uuid"])
        client = practice.clients.get(uuid) if uuid else None
        if client is None:
            return self._unknown(request, "client")
        return self._good(request, {"client": wire.client_tree(client, practice, wire.GET)})

    async def search(self, request: Request) -> Response:
        """Clients whose name, email or code holds the query; unpaged. Which fields XPM searches is not known."""
        tenant = self._tenant(request)
        found = list(tenant.practice.search(request.query_params.get("query", "")))
        view = wire.search_view(detailed=_is_detailed(request))
        return answers.client_list(request, self._simulator.knobs, tenant, found, view)

    async def list_clients(self, request: Request) -> Response:
        """Every client, archived and deleted ones too; page parameters are ignored."""
        tenant = self._tenant(request)
        params = request.query_params
        since = params.get("modifiedsince") or params.get("modifiedSince")
        try:
            moment = datetime.fromisoformat(since) if since else None
        except ValueError:
            return answers.bad(request.headers, self._simulator.knobs, "modifiedsince is not a valid date", 400)
        if moment is not None and moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        clients = list(tenant.practice.modified_since(moment))
        view = wire.list_view(detailed=_is_detailed(request))
        return answers.client_list(request, self._simulator.knobs, tenant, clients, view)

    async def list_groups(self, request: Request) -> Response:
        """Every client group, without members."""
        practice = self._tenant(request).practice
        groups = [wire.group_tree(group, practice, members=False) for group in practice.groups.values()]
        return self._good(request, {"groups": groups})

    async def get_group(self, request: Request) -> Response:
        """One client group with its members."""
        practice = self._tenant(request).practice
        uuid = uuid_of(request.path_params["uuid"])
        group = practice.groups.get(uuid) if uuid else None
        if group is None:
            return self._unknown(request, "client group")
        return self._good(request, {"group": wire.group_tree(group, practice, members=True)})

    async def list_staff(self, request: Request) -> Response:
        """All staff of the practice."""
        return self._good(
            request, {"staffList": [wire.staff_tree(staff) for staff in self._tenant(request).practice.staff]}
        )

    async def connections(self, request: Request) -> Response:
        """The tenants behind the token, in the gateway's JSON; `?authEventId=` for those of one consent."""
        wanted = request.query_params.get("authEventId")
        listed = [
            (tenant_id, "PRACTICEMANAGER", self._simulator.tenants[tenant_id].name)
            for tenant_id in self._simulator.access.tenants(request.headers)
        ]
        if self._simulator.knobs.other_tenants:
            listed.append((_ORGANISATION, "ORGANISATION", "Somebody's books"))
        body = [_connection(*tenant) for tenant in listed]
        return JSONResponse([connection for connection in body if wanted in (None, connection["authEventId"])])


def _connection(tenant_id: str, tenant_type: str, name: str | None) -> dict[str, str | None]:
    """A connection as Xero lists it. Its id is not the tenant's."""
    return {
        "id": connection_id(tenant_id),
        "authEventId": auth_event_id(tenant_id),
        "tenantId": tenant_id,
        "tenantType": tenant_type,
        "tenantName": name,
        "createdDateUtc": _CONNECTED,
        "updatedDateUtc": _CONNECTED,
    }


def _is_detailed(request: Request) -> bool:
    return request.query_params.get("detailed", "").lower() == "true"
