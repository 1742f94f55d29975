"""Reads the simulator's answers for its tests, without any of the portal's own parsers: XML to the shape of the JSON."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree

import httpx

from xpm.simulator import SimulatorHandle

JSON_HEADERS = {"Accept": "application/json", "Xero-Features": "practice-strict-content-type"}
HTTP = httpx.Client(limits=httpx.Limits(max_keepalive_connections=0), timeout=10, trust_env=False)
"""One client for all calls, for making one takes longer than a call; it keeps no connection from test to test."""

_LISTS = {"Clients", "Contacts", "Notes", "Groups", "Relationships", "StaffList"}


def call(handle: SimulatorHandle, path: str, *, as_json: bool = False, **headers: str) -> httpx.Response:
    """Call XPM as the first tenant; `headers` add to and replace the usual ones (underscores for hyphens)."""
    extra = {name.replace("_", "-"): value for name, value in headers.items()}
    wanted = handle.headers | (JSON_HEADERS if as_json else {}) | extra
    return HTTP.get(f"{handle.api_url}/{path}", headers=wanted)


def control(handle: SimulatorHandle, method: str, path: str, body: object = None) -> httpx.Response:
    """Call the control API; any answer but success fails the test."""
    answer = HTTP.request(method, f"{handle.url}/_sim/{path}", json=body)
    answer.raise_for_status()
    return answer


def counters(handle: SimulatorHandle) -> dict[str, Any]:
    found: dict[str, Any] = control(handle, "GET", "counters").json()
    return found


def truth(handle: SimulatorHandle) -> list[dict[str, Any]]:
    """The live truth of all tenants, in list order."""
    return [json.loads(line) for line in control(handle, "GET", "truth").text.split("\n") if line]


def tree(answer: httpx.Response) -> dict[str, Any]:
    """An answer's content, XML keys turned to lower-case ones without the envelope; empty elements are `None`."""
    if "json" in answer.headers["content-type"]:
        found: dict[str, Any] = json.loads(answer.content)
        return found
    root = ElementTree.fromstring(answer.content)  # noqa: S314 - the simulator's own bytes
    assert root.tag == "Response"
    return {child.tag: _value(child) for child in root}


def _value(element: ElementTree.Element) -> Any:
    if element.tag in _LISTS:
        return [_value(child) for child in element]
    if len(element):
        return {child.tag: _value(child) for child in element}
    return element.text


def alike(value: Any) -> Any:
    """A value with all that may differ between the formats taken away: key case, number forms, and empties."""
    if isinstance(value, dict):
        pairs = ((key.lower().replace("-", ""), alike(inner)) for key, inner in value.items())
        return {key: inner for key, inner in pairs if inner not in (None, "", [])}
    if isinstance(value, list):
        return [alike(inner) for inner in value]
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, str) and value.replace(".", "", 1).isdigit():
        return float(value)
    return value
