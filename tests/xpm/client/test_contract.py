"""The contract table: what it finds, what it leaves out, and that Xero's own OpenAPI agrees, where that is at hand."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # it ships no types

from xpm import contract
from xpm.contract import CLIENT_FIELDS, ENVELOPE_FIELDS, Fields

BESIDE_THE_REPOSITORY = Path(__file__).parents[4] / "shared" / "facts" / "xpm-openapi-3.1.yaml"


@pytest.mark.parametrize(
    ("path", "query", "operation"),
    [
        ("/client.api/get/8a3f", [], contract.GET_CLIENT),
        ("/client.api/search", ["query", "detailed"], contract.SEARCH_CLIENTS),
        ("/client.api/list", ["detailed", "modifiedsince"], contract.LIST_CLIENTS),
    ],
)
def test_a_request_is_found(path: str, query: list[str], operation: contract.Operation) -> None:
    assert contract.find("GET", path, query) is operation


@pytest.mark.parametrize(
    ("method", "path", "query"),
    [
        ("POST", "/client.api/list", []),
        ("GET", "/client.api/list", ["pagesize"]),
        ("GET", "/client.api/get/", []),
        ("GET", "/client.api/get/8a3f/customfield", []),
        ("GET", "/clientXapi/list", []),
        ("GET", "/staff.api/list", []),
    ],
)
def test_a_request_outside_of_the_contract_is_not(method: str, path: str, query: list[str]) -> None:
    with pytest.raises(LookupError):
        contract.find(method, path, query)


def test_no_tax_or_bank_field_is_kept() -> None:
    names = {name.lower() for name in CLIENT_FIELDS}
    assert not [name for name in names if name.startswith(("tax", "bank", "companynumber", "businessnumber", "gst"))]


def test_xeros_openapi_has_what_the_contract_names(record_property: Callable[[str, object], None]) -> None:
    path = Path(os.environ.get("XPM_OPENAPI", BESIDE_THE_REPOSITORY))
    if not path.is_file():
        absent = f"Xero's OpenAPI is not at {path}, so the contract was not compared with it (set XPM_OPENAPI)."
        record_property("openapi", absent)
        sys.stderr.write(absent + "\n")
        return
    record_property("openapi", str(path))
    assert list(differences(yaml.safe_load(path.read_text()))) == []


def test_the_comparison_sees_a_difference() -> None:
    assert list(differences({"paths": {}, "components": {"schemas": {}}}))


def differences(openapi: dict[str, Any]) -> Iterator[str]:
    """What the contract names and the OpenAPI has not."""
    for operation in contract.OPERATIONS:
        described = openapi["paths"].get(operation.path, {}).get(operation.method.lower())
        if described is None:
            yield f"{operation.method} {operation.path}"
            continue
        if described["operationId"] != operation.operation_id:
            yield f"{operation.path} is {described['operationId']}"
        offered = {
            item["name"].lower(): item["schema"]["type"] for item in described["parameters"] if item["in"] == "query"
        }
        for name, kind in operation.query.items():
            if offered.get(name.lower()) != kind:
                yield f"{operation.path}: {name} is {offered.get(name.lower())}"
        answer = described["responses"]["200"]["content"]["application/json"]["schema"]
        yield from missing(openapi, answer, expected(operation), operation.path)
    problem = openapi["components"]["schemas"].get("ResponseErrorDto", {})
    yield from missing(openapi, problem, {"status": {}, "errorDescription": {}}, "errors")


def expected(operation: contract.Operation) -> Fields:
    """The fields that this operation's answer should have."""
    if operation is contract.GET_CLIENT:
        return {name: ENVELOPE_FIELDS[name] for name in ("status", "client")}
    return {name: ENVELOPE_FIELDS[name] for name in ("status", "clients")}


def missing(openapi: dict[str, Any], schema: dict[str, Any], fields: Fields, where: str) -> Iterator[str]:
    """The fields that the schema has not."""
    properties = properties_of(openapi, schema)
    for name, inner in fields.items():
        if name not in properties:
            yield f"{where}.{name}"
        else:
            yield from missing(openapi, properties[name], inner, f"{where}.{name}")


def properties_of(openapi: dict[str, Any], schema: dict[str, Any]) -> Mapping[str, dict[str, Any]]:
    """An object's properties, through references, lists and inheritance."""
    if "$ref" in schema:
        return properties_of(openapi, openapi["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    if schema.get("type") == "array":
        return properties_of(openapi, schema["items"])
    found = dict(schema.get("properties", {}))
    for part in (*schema.get("allOf", ()), *schema.get("oneOf", ())):
        found.update(properties_of(openapi, part))
    return found
