"""A connection made by hand: tokens come on standard input, are stored encrypted, and one person has one connection."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from config.settings import Settings
from handlers.access.practices import add_operator
from portal_db import audit
from portal_db.database import Database
from portal_db.xero import connections, logins
from tests.worker.cli.conftest import Cli
from tests.world import World

TOKENS = {"access_token": "the-access", "refresh_token": "the-refresh", "xero_user_id": "xero-7", "expires_in": 900}


@pytest.fixture
def staff(cli: Cli) -> tuple[str, str]:
    """A practice and a staff member of it, by their ids."""
    cli("db", "upgrade")
    practice = cli("practice", "add", "Harbour").out.strip()
    return practice, cli("staff", "add", practice, "Kim", "kim@practice.example").out.strip()


def options(practice: object, staff: object) -> tuple[object, ...]:
    return ("connection", "add", "--practice", practice, "--staff", staff, "--tenant-id", "tenant-1")


@pytest.mark.parametrize(
    "given",
    [
        json.dumps({**TOKENS, "token_type": "Bearer", "scope": "practicemanager"}),
        "\n".join(f"{name} = {value}" for name, value in TOKENS.items()),
    ],
    ids=["json", "lines"],
)
def test_tokens_of_standard_input_are_stored_encrypted(
    cli: Cli, migrated: Database, staff: tuple[str, str], given: str, sqlite_url: str
) -> None:
    # When tokens are given on standard input
    ran = cli(*options(*staff), given=given)
    # Then the connection and its Xero login are there
    with migrated.read() as tx:
        connection = connections.get_one(tx, UUID(ran.out.strip()))
        login = logins.load(tx, connection.xero_login_id).row
    vault = Settings.load().vault
    assert (connection.tenant_id, login.xero_user_id) == ("tenant-1", "xero-7")
    assert login.access_token is not None
    assert login.refresh_token is not None
    assert vault.decrypt(login.access_token) == b"the-access"
    assert vault.decrypt(login.refresh_token) == b"the-refresh"
    # And no token is readable in what was written, nor in what was printed
    folder = Path(sqlite_url.removeprefix("sqlite:///")).parent
    written = b"".join(path.read_bytes() for path in folder.glob("portal.db*"))
    assert b"the-access" not in written
    assert b"the-refresh" not in written
    assert "the-" not in ran.out + ran.err


def test_a_second_live_connection_of_the_same_person_is_refused(cli: Cli, staff: tuple[str, str]) -> None:
    assert cli(*options(*staff), given=json.dumps(TOKENS)).code == 0
    second = cli(*options(*staff), given=json.dumps({**TOKENS, "xero_user_id": "xero-8"}))
    assert (second.code, second.out) == (1, "")
    assert f"--staff {staff[1]}: This staff member is already connected to XPM" in second.err


def test_without_mandatory_mfa_nobody_connects(cli: Cli, staff: tuple[str, str]) -> None:
    cli("practice", "set", staff[0], "--no-mfa")
    refused = cli(*options(*staff), given=json.dumps(TOKENS))
    assert refused.code == 1
    assert "Multi-factor authentication is not mandatory" in refused.err
    cli("practice", "set", staff[0], "--mfa")
    assert cli(*options(*staff), given=json.dumps(TOKENS)).code == 0


def test_unknown_practice_and_staff_are_named(cli: Cli, staff: tuple[str, str]) -> None:
    nobody = uuid4()
    of_nobody = cli(*options(staff[0], nobody), given=json.dumps(TOKENS))
    assert of_nobody.code == 1
    assert f"--staff {nobody}: Nobody with this id works at the practice" in of_nobody.err
    nowhere = cli(*options(nobody, staff[1]), given=json.dumps(TOKENS))
    assert nowhere.code == 1
    assert f"--practice {nobody}: There is no practice" in nowhere.err


def test_disconnecting_asks_first_and_names_who_did_it(
    cli: Cli, office: World, at_terminal: Callable[[], None]
) -> None:
    # Given a connection, as it is listed to be copied
    olu = add_operator(office.database, "Olu Ops", "olu@platform.example")
    listed = cli("connection", "list").out
    assert str(office.connection_id) in listed
    assert max(map(len, listed.splitlines())) <= 80

    def entries() -> list[tuple[UUID | None, str | None, str | None]]:
        with office.database.read() as tx:
            history = audit.of_subject(tx, "connection", office.connection_id)
        return [(entry.actor_id, entry.why, entry.after) for entry in history if entry.after == "disconnected"]

    # When it is to be disconnected and nobody can be asked, then it stays
    command = ("connection", "disconnect", office.connection_id, "--as", olu, "--reason", "ticket 7")
    asked = cli(*command, given="y\n")
    assert (asked.code, "There is no terminal to ask on: give --yes." in asked.err, entries()) == (2, True, [])
    # Who is asked reads whose it is
    at_terminal()
    asked = cli(*command, given="n\n")
    assert (asked.code, "Kim, partner at Harbour Accounting" in asked.err, entries()) == (130, True, [])
    # With a yes it is, and the audit trail says by whom and why
    assert cli(*command, "--yes").code == 0
    assert entries() == [(olu, "ticket 7", "disconnected")]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("", "xero_user_id: is missing"),
        ('{"access_token": "the-access"', "not a complete JSON object"),
        ("the-access", "line 1: write name=value"),
        (json.dumps({**TOKENS, "expires_in": "soon"}), "expires_in: "),
        (json.dumps({**TOKENS, "access_token": ""}), "access_token: "),
    ],
)
def test_what_is_no_tokens_is_refused_without_repeating_it(
    cli: Cli, staff: tuple[str, str], given: str, words: str
) -> None:
    ran = cli(*options(*staff), given=given)
    assert (ran.code, ran.out) == (2, "")
    assert words in ran.err
    assert "the-access" not in ran.err
    assert len(ran.err.splitlines()) == 1
