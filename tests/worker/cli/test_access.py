"""The commands `api-key` and `staff password`: what people and programs prove themselves with."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from uuid import UUID

import pytest

from handlers.access.passwords import fits
from handlers.access.practices import add_practice, add_staff
from handlers.access.tokens import hashed
from portal_db import audit
from portal_db.access import credentials, people, second_factors
from portal_db.database import Database
from portal_db.states import Role
from tests.worker.cli.conftest import Cli

PASSWORD = "seven small boats at sea"


def practice_of(migrated: Database) -> tuple[str, str]:
    """A practice and somebody who works there."""
    practice_id = add_practice(migrated, "Harbour", time_zone="Australia/Sydney", mfa_mandatory=True)
    return str(practice_id), str(add_staff(migrated, practice_id, "Kim Lee", "kim@harbour.example", Role.PARTNER))


def test_a_key_is_made_shown_once_rotated_and_revoked(cli: Cli, migrated: Database) -> None:
    practice, _ = practice_of(migrated)
    made = cli("api-key", "add", "the portal", "--practice", practice, "--json").json()
    [listed] = cli("api-key", "list", "--practice", practice, "--json").json()
    assert (listed["id"], listed["scopes"], listed["ends_at"]) == (made["id"], ["import", "read"], None)
    assert made["secret"].startswith(listed["hint"])
    shown = cli("api-key", "list", "--practice", practice).out
    assert made["id"] in shown, "to be copied"
    assert made["secret"] not in shown
    rotated = cli("api-key", "rotate", made["id"], "--practice", practice, "--json").json()
    assert rotated["secret"] != made["secret"]
    assert cli("api-key", "revoke", made["id"], "--practice", practice).code == 0
    with migrated.read() as tx:
        found = [credentials.key(tx, hashed(each["secret"])) for each in (made, rotated)]
    assert [each and each[1] for each in found] == [False, True]


def test_a_key_of_another_practice_is_not_there(cli: Cli, migrated: Database) -> None:
    practice, _ = practice_of(migrated)
    other = str(add_practice(migrated, "Other", time_zone="Australia/Sydney", mfa_mandatory=True))
    made = cli("api-key", "add", "the portal", "--practice", practice, "--json").json()
    for command in ("rotate", "revoke"):
        ran = cli("api-key", command, made["id"], "--practice", other)
        assert (ran.code, ran.out) == (1, "")
        assert f"KEY {made['id']}" in ran.err or "no API key" in ran.err


def test_a_password_is_read_from_standard_input(cli: Cli, migrated: Database) -> None:
    practice, staff = practice_of(migrated)
    for refused in ("short", "aaaaaaaaaaaa", "Harbour Kim Lee"):
        assert cli("staff", "password", staff, "--practice", practice, given=f"{refused}\n").code != 0
    ran = cli("staff", "password", staff, "--practice", practice, given=PASSWORD + "\n")
    assert (ran.code, ran.out.strip()) == (0, "The password is set.")
    with migrated.read() as tx:
        found = credentials.by_email(tx, "kim@harbour.example")
    assert found is not None
    assert fits(found.login.password_hash, PASSWORD)


@pytest.mark.usefixtures("cli")  # for its settings
def test_a_password_is_typed_at_a_prompt_that_does_not_show_it(migrated: Database) -> None:
    # Given the command on a terminal
    practice, staff = practice_of(migrated)
    terminal, its_end = pty.openpty()
    command = [str(Path(sys.executable).with_name("portal-sync")), "staff", "password", staff, "--practice", practice]
    process = subprocess.Popen(command, stdin=its_end, stdout=its_end, stderr=its_end, start_new_session=True)
    os.close(its_end)
    # When the password is typed at its prompt
    shown = b""
    while not shown.endswith(b"New password: "):
        shown += os.read(terminal, 1000)
    os.write(terminal, PASSWORD.encode() + b"\n")
    with suppress(OSError):  # as Linux ends it
        while more := os.read(terminal, 1000):
            shown += more
    os.close(terminal)
    # Then it is set, and nobody could read it
    assert (process.wait(), b"The password is set." in shown, PASSWORD.encode() in shown) == (0, True, False)


def test_a_link_to_set_a_password_is_printed(cli: Cli, migrated: Database) -> None:
    practice, staff = practice_of(migrated)
    ran = cli("staff", "password", staff, "--practice", practice, "--link")
    assert ran.out.startswith("http://127.0.0.1:8000/set-password#")


def test_an_operator_resets_a_second_factor_and_says_why(cli: Cli, migrated: Database) -> None:
    practice, staff = practice_of(migrated)
    operator = cli("operator", "add", "Ola", "ola@platform.example").out.strip()
    asked = (
        "staff",
        "reset-mfa",
        staff,
        "--practice",
        practice,
        "--as",
        operator,
        "--reason",
        "the only owner; phoned them",
    )
    # Given somebody without one
    assert "isn't set up for this person" in cli(*asked).err
    with migrated.write() as tx:
        member = people.get_staff(tx, UUID(staff), practice_id=UUID(practice))
        assert member is not None
        assert second_factors.set_up(tx, member.login_id, b"sealed", step=1)
    # When they have one
    assert cli(*asked).out.strip() == "Their second factor is reset."
    # Then it is gone, and it is on record who did it and why
    with migrated.read() as tx:
        assert not second_factors.is_set_up(tx, member.login_id)
        entry = audit.of_subject(tx, "staff", member.id)[-1]
    assert (entry.action, entry.actor_id, entry.why) == (
        "second_factor.reset",
        UUID(operator),
        "the only owner; phoned them",
    )
    other = str(add_practice(migrated, "Other", time_zone="Australia/Sydney", mfa_mandatory=True))
    assert cli(*asked[:4], other, *asked[5:]).code == 1


def test_the_sign_in_log_is_listed_by_practice(cli: Cli, migrated: Database) -> None:
    practice, staff = practice_of(migrated)
    assert "Nothing is logged." in cli("sign-ins", "--practice", practice).out
    cli("staff", "password", staff, "--practice", practice, given=PASSWORD + "\n")
    [row] = cli("sign-ins", "--practice", practice, "--json").json()
    assert (row["event"], row["name"], row["address"]) == ("password_set_by_operator", "Kim Lee", None)
    assert "password set by operator" in cli("sign-ins", "--practice", practice).out
    assert cli("sign-ins", "--json").json() == []
