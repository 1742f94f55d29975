"""Connecting by the command line: the address out, the pasted answer in; listing, disconnecting, rotating keys."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout

import httpx
import pytest
from cryptography.fernet import Fernet

from handlers.access.practices import add_operator
from tests.handlers.xero.office import OTHER_TENANT, Office
from tests.logging_restored import logging_restored
from tests.world import TENANT, World
from worker.cli import main
from xpm.simulator.serve import SimulatorHandle


class Person:
    """Somebody at a terminal: opens the address they are shown and pastes where they end up, then types their lines."""

    def __init__(self, *lines: str, paste: Callable[[str], str] = lambda address: address) -> None:
        self.out, self.err = io.StringIO(), io.StringIO()
        self._lines = list(lines)
        self._paste = paste
        self._came_back = False

    def readline(self, _: int = -1) -> str:
        if not self._came_back:
            self._came_back = True
            shown = re.search(r"http\S+/authorize\S+", self.out.getvalue() + self.err.getvalue())
            assert shown, "no address was shown"
            return self._paste(httpx.get(shown[0]).headers["location"]) + "\n"
        return self._lines.pop(0) + "\n"

    def runs(self, monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
        monkeypatch.setattr(sys, "stdin", self)
        with redirect_stdout(self.out), redirect_stderr(self.err):
            return int(main([str(argument) for argument in arguments]))


@pytest.fixture
def terminal(unconnected: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    settings = unconnected.services.settings
    for name in ("database_url", "xero_authorize_url", "xero_identity_url", "xero_connections_url", "xero_client_id"):
        monkeypatch.setenv(name.upper(), getattr(settings, name))
    monkeypatch.setenv("XERO_CLIENT_SECRET", settings.xero_client_secret.get_secret_value())
    monkeypatch.setenv("TOKEN_KEYS", settings.token_keys[0].get_secret_value())
    with logging_restored():
        yield monkeypatch


def connect(world: World) -> tuple[object, ...]:
    return ("connection", "connect", "--practice", world.practice_id, "--as", world.staff_id)


def listed(terminal: pytest.MonkeyPatch, state: str) -> list[dict[str, str]]:
    looking = Person()
    assert looking.runs(terminal, "connection", "list", "--json") == 0
    return [row for row in json.loads(looking.out.getvalue()) if row["state"] == state]


def test_connecting_without_a_browser_on_this_machine(unconnected: World, terminal: pytest.MonkeyPatch) -> None:
    person = Person()
    assert person.runs(terminal, *connect(unconnected)) == 0
    [row] = listed(terminal, "connected")
    assert person.out.getvalue().splitlines()[-1] == row["id"]
    assert row["tenant_id"] == TENANT


def test_json_is_all_that_is_on_standard_output(unconnected: World, terminal: pytest.MonkeyPatch) -> None:
    person = Person()
    assert person.runs(terminal, *connect(unconnected), "--json") == 0
    assert json.loads(person.out.getvalue()) == {"id": listed(terminal, "connected")[0]["id"], "woken": 0}


def test_several_practices_are_chosen_by_number(
    unconnected: World, xero: SimulatorHandle, terminal: pytest.MonkeyPatch
) -> None:
    xero.simulator.knobs = xero.simulator.knobs.changed({"consent_tenants": [TENANT, OTHER_TENANT]})
    person = Person("2")
    assert person.runs(terminal, *connect(unconnected)) == 0
    assert "Second Practice" in person.err.getvalue()
    assert listed(terminal, "connected")[0]["tenant_id"] == OTHER_TENANT


@pytest.mark.parametrize("typed", ["0", "3", "", "two", "²"])
def test_a_number_that_was_not_offered_is_misuse(
    unconnected: World, xero: SimulatorHandle, terminal: pytest.MonkeyPatch, typed: str
) -> None:
    xero.simulator.knobs = xero.simulator.knobs.changed({"consent_tenants": [TENANT, OTHER_TENANT]})
    assert Person(typed).runs(terminal, *connect(unconnected)) == 2
    assert listed(terminal, "connected") == []


@pytest.mark.parametrize("paste", ["", "hello", "https://portal.example/?code=1", "https://portal.example/?state=1"])
def test_an_address_that_is_not_xeros_answer_is_misuse(
    unconnected: World, terminal: pytest.MonkeyPatch, paste: str
) -> None:
    person = Person(paste=lambda _: paste)
    assert person.runs(terminal, *connect(unconnected)) == 2
    assert "code=…&state=…" in person.err.getvalue()


def test_a_refusal_at_xero_is_told(unconnected: World, xero: SimulatorHandle, terminal: pytest.MonkeyPatch) -> None:
    xero.simulator.knobs = xero.simulator.knobs.changed({"consent_error": "access_denied"})
    person = Person()
    assert person.runs(terminal, *connect(unconnected)) == 1
    assert "Connect third-party add-ons" in person.err.getvalue()


def test_a_missing_app_is_named(unconnected: World, terminal: pytest.MonkeyPatch) -> None:
    terminal.delenv("XERO_CLIENT_ID")
    person = Person()
    assert person.runs(terminal, *connect(unconnected)) == 2
    assert "XERO_CLIENT_ID is not set" in person.err.getvalue()


def test_disconnecting_and_the_list(office: Office, terminal: pytest.MonkeyPatch) -> None:
    olu = add_operator(office.world.database, "Olu Ops", "olu@platform.example")
    command = ("connection", "disconnect", office.connection_id, "--as", olu, "--yes")
    assert Person().runs(terminal, *command) == 0
    again = Person()
    assert again.runs(terminal, *command) == 1
    assert str(office.connection_id) in again.err.getvalue()
    assert str(office.connection_id) in {row["id"] for row in listed(terminal, "disconnected")}
    table = Person()
    assert table.runs(terminal, "connection", "list", "--practice", office.partner.practice_id) == 0
    assert "disconnected" in table.out.getvalue()


def test_keys_are_rotated_and_counted(office: Office, terminal: pytest.MonkeyPatch) -> None:
    new, old = Fernet.generate_key().decode(), office.world.services.settings.token_keys[0].get_secret_value()
    terminal.setenv("TOKEN_KEYS", f"{new},{old}")
    person = Person()
    assert person.runs(terminal, "keys", "rotate") == 0
    assert "2 Xero logins" in person.out.getvalue()
    assert Fernet(new).decrypt(office.login().access_token or b"")


def test_keys_that_read_nothing_are_told(office: Office, terminal: pytest.MonkeyPatch) -> None:
    terminal.setenv("TOKEN_KEYS", Fernet.generate_key().decode())
    person = Person()
    assert person.runs(terminal, "keys", "rotate", "--json") == 1
    nothing = dict.fromkeys(("logins", "messages", "webhooks", "producers", "second_factors"), 0)
    assert json.loads(person.out.getvalue()) == {**nothing, "unreadable": 2}
    assert "TOKEN_KEYS" in person.err.getvalue()
    assert office.login().version == 1
