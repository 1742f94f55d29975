"""Maps a path to the XPM or gateway call that it is, for counters, faults and the log."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from xpm.simulator.tenants import BASE_PATH


@dataclass(frozen=True, slots=True)
class Operation:
    """A call by name, such as `client.api/get`. `template` is its path with `{uuid}` for any uuid."""

    name: str
    template: str
    uuid: UUID | None = None
    needs_tenant: bool = True


CONNECTIONS = Operation("connections", "/connections", needs_tenant=False)


def operation_of(path: str) -> Operation | None:
    """The call behind a path, or `None` for paths that are neither XPM's nor the gateway's."""
    if path == "/connections":
        return CONNECTIONS
    if not path.startswith(BASE_PATH + "/"):
        return None
    resource, _, rest = path.removeprefix(BASE_PATH + "/").partition("/")
    action, _, identifier = rest.partition("/")
    name = f"{resource}/{action}"
    uuid = uuid_of(identifier)
    return Operation(name, f"{BASE_PATH}/{name}" + ("/{uuid}" if identifier else ""), uuid)


def uuid_of(text: str) -> UUID | None:
    """A uuid from text, or `None` if it is not one."""
    try:
        return UUID(text)
    except ValueError:
        return None
