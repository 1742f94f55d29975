"""Practices, staff and operators made on the command line, and the refusals that keep two logins from one email."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from cryptography.fernet import Fernet

from portal_db import audit
from portal_db.access import people
from portal_db.database import Database
from portal_db.dialect import count_rows
from portal_db.states import ActorKind, Role
from portal_db.tables import Staff
from tests.worker.cli.conftest import Cli


def test_a_new_key_is_a_fernet_key_and_never_the_same(cli: Cli) -> None:
    first, second = cli("keys", "new"), cli("keys", "new")
    assert Fernet(first.out.strip())
    assert first.out != second.out


def test_upgrading_twice_changes_nothing_the_second_time(cli: Cli) -> None:
    first, second = cli("db", "upgrade", "--json").json(), cli("db", "upgrade", "--json").json()
    assert first["before"] is None
    assert second == {"before": first["after"], "after": first["after"]}
    assert "already" in cli("db", "upgrade").out


def test_a_practice_is_added_changed_and_audited(cli: Cli, migrated: Database) -> None:
    # Given a practice made without MFA
    practice = UUID(cli("practice", "add", "Harbour & Søn", "--no-mfa", "--time-zone", "Australia/Perth").out.strip())
    # When MFA is mandated
    changed = cli("practice", "set", practice, "--mfa", "--json")
    # Then that alone has changed, and both are in the audit trail without the name
    assert changed.json() == {"id": str(practice)}
    with migrated.read() as tx:
        row = people.get_practice(tx, practice)
        history = audit.of_subject(tx, "practice", practice)
    assert row is not None
    assert (row.name, row.time_zone, row.mfa_mandatory) == ("Harbour & Søn", "Australia/Perth", True)
    assert [(entry.action, entry.actor) for entry in history] == [
        ("practice.add", ActorKind.OPERATOR),
        ("practice.set", ActorKind.OPERATOR),
    ]
    assert (history[1].before, history[1].after) == ("mfa_mandatory=False", "mfa_mandatory=True")
    assert not any("Harbour" in f"{entry.before}{entry.after}{entry.why}" for entry in history)


@pytest.mark.usefixtures("migrated")
def test_values_that_do_not_fit_a_practice_are_misuse(cli: Cli) -> None:
    practice = cli("practice", "add", "Harbour").out.strip()
    for arguments, words in (
        (
            ("practice", "add", "Harbour", "--time-zone", "Mars/Base"),
            "--time-zone Mars/Base: This time zone is not known",
        ),
        (("practice", "add", " "), "name: must not be blank"),
        (("practice", "add", "x" * 201), "name: must have at most 200 characters"),
        (("practice", "add", "two\nlines"), "name: must be one line"),
        (("practice", "set", practice), "There is nothing to change"),
    ):
        ran = cli(*arguments)
        assert (ran.code, ran.out) == (2, ""), arguments
        assert words in ran.err
        assert len(ran.err.splitlines()) == 1


@pytest.mark.usefixtures("migrated")
def test_an_unknown_practice_is_named(cli: Cli) -> None:
    nobody = uuid4()
    for arguments in (("practice", "set", nobody, "--mfa"), ("staff", "add", nobody, "Kim", "kim@practice.example")):
        ran = cli(*arguments)
        assert (ran.code, ran.out) == (1, "")
        assert str(nobody) in ran.err
        assert "There is no practice with this id" in ran.err


def test_staff_get_a_role_and_an_email_that_is_theirs_alone(cli: Cli, migrated: Database) -> None:
    # Given somebody who works at a practice
    practice = UUID(cli("practice", "add", "Harbour").out.strip())
    staff = UUID(cli("staff", "add", practice, "Kim", "Kim@Practice.example", "--role", "owner").out.strip())
    with migrated.read() as tx:
        row = people.get_staff(tx, staff, practice_id=practice)
        history = audit.of_subject(tx, "staff", staff)
    assert row is not None
    assert row.role is Role.OWNER
    assert [entry.after for entry in history] == ["owner"]
    # When the same address, written otherwise, is given to others
    for arguments in (
        ("staff", "add", practice, "Bo", "kim@practice.EXAMPLE"),
        ("operator", "add", "Bo", "KIM@practice.example"),
    ):
        ran = cli(*arguments)
        # Then that is refused in a line that says which address
        assert (ran.code, ran.out) == (1, "")
        assert f"EMAIL {arguments[-1]}: This email address is already in use" in ran.err
        assert len(ran.err.splitlines()) == 1
    # And nothing of the refused remains
    with migrated.read() as tx:
        assert count_rows(tx, Staff.practice_id == practice) == 1


@pytest.mark.usefixtures("migrated")
def test_an_email_that_is_none_and_a_role_that_is_none_are_refused(cli: Cli) -> None:
    practice = cli("practice", "add", "Harbour").out.strip()
    bad_email = cli("staff", "add", practice, "Kim", "kim@@practice")
    assert bad_email.code == 1
    assert "EMAIL kim@@practice: That email address isn't valid" in bad_email.err
    bad_role = cli("staff", "add", practice, "Kim", "kim@practice.example", "--role", "king")
    assert bad_role.code == 2
    assert "'king' is not one of 'owner'" in bad_role.err


def test_an_operator_is_added(cli: Cli, migrated: Database) -> None:
    operator = UUID(cli("operator", "add", "Ops", "ops@platform.example", "--json").json()["id"])
    with migrated.read() as tx:
        assert [entry.action for entry in audit.of_subject(tx, "operator", operator)] == ["operator.add"]
