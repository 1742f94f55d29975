"""The part of XPM's API 3.1 that we use, as one table: the operations we call and the response fields we read.

The client builds its requests from this table, and the decoders keep nothing else.
Source: Xero Practice Manager API 3.1 reference. Spellings here are those of the JSON format.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

FEATURES = "practice-strict-content-type"
"""The value of the `Xero-Features` header that makes XPM follow Accept; without it every answer is XML."""

Fields = Mapping[str, "Fields"]


@dataclass(frozen=True)
class Operation:
    """One operation: `path` is below the base URL, `{identifier}` stands for a uuid; `query` maps a name to its type."""

    operation_id: str
    path: str
    method: str = "GET"
    query: Mapping[str, str] = field(default_factory=dict)


GET_CLIENT = Operation("getClient", "/client.api/get/{identifier}")
SEARCH_CLIENTS = Operation("searchClients", "/client.api/search", query={"query": "string", "detailed": "boolean"})
# XPM reads `modifiedsince` in either case; the reference's text has it in lower case, its schema as `modifiedSince`.
LIST_CLIENTS = Operation("listClients", "/client.api/list", query={"detailed": "boolean", "modifiedsince": "string"})
OPERATIONS = (GET_CLIENT, SEARCH_CLIENTS, LIST_CLIENTS)

_NAMED: Fields = {"uuid": {}, "name": {}}

_PLAIN_FIELDS = """
    uuid name title gender firstName lastName email dateOfBirth phone
    address city region postCode country
    postalAddress postalCity postalRegion postalPostCode postalCountry
    businessStructure returnType clientCode isProspect isArchived isDeleted
"""

CLIENT_FIELDS: Fields = {
    **{name: {} for name in _PLAIN_FIELDS.split()},
    "groups": _NAMED,
    "relationships": {
        "uuid": {},
        "type": {},
        "relatedClient": _NAMED,
        "numberOfShares": {},
        "percentage": {},
        "startDate": {},
        "endDate": {},
    },
}
"""The fields kept of a client. Tax numbers and bank details are absent on purpose: they are dropped on arrival."""

ENVELOPE_FIELDS: Fields = {
    "status": {},
    "errorDescription": {},
    "clients": CLIENT_FIELDS,
    "client": CLIENT_FIELDS,
}
"""The fields read around the clients."""


def find(method: str, path: str, query: Iterable[str] = ()) -> Operation:
    """The operation of a request. `path` is below the base URL. Raises `LookupError` if it is not in the table."""
    names = set(query)
    for operation in OPERATIONS:
        pattern = re.escape(operation.path).replace(re.escape("{identifier}"), "[^/]+")
        if operation.method == method and re.fullmatch(pattern, path) and names <= set(operation.query):
            return operation
    raise LookupError(f"{method} {path} with {sorted(names)} is not in the contract")
