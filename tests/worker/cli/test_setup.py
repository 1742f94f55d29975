"""The commands that look after the record, as an operator types them."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID, uuid4

import pytest
from sqlalchemy import delete, select, update

from handlers.access.practices import add_operator
from portal_db.states import EmailState
from portal_db.tables import Client, Job, WelcomeEmail
from portal_db.work import leaders
from tests.making import importable
from tests.worker.cli.conftest import Cli
from tests.world import World
from xpm.simulator.serve import SimulatorHandle


@pytest.fixture
def operator(office: World) -> UUID:
    return add_operator(office.database, "Sam", "sam@platform.example")


@pytest.fixture
def redis(cli: Cli, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001 -- which sets another one
    monkeypatch.setenv("REDIS_URL", redis_url)


@pytest.mark.usefixtures("redis")
def test_reconcile_says_what_it_repaired_and_what_needs_a_person(cli: Cli, office: World) -> None:
    # Given a relay that leads and an import that lost its job
    with office.database.write() as tx:
        leaders.hold(tx, leaders.RELAY, "relay-1", 600)
    assert cli("reconcile").out.splitlines()[0] == "No discrepancies found."
    import_id = office.ask(uuid4())
    with office.database.write() as tx:
        tx.session.execute(delete(Job))
    # When it is looked at, then mended
    ran = cli("reconcile", "--dry-run")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines()[0] == "1 x import_without_job: repairable"
    ran = cli("reconcile")
    assert (ran.code, ran.err) == (0, "")
    assert f"{import_id}  enqueued again: validate_import" in ran.out
    # Then a person is wanted only where one is
    with office.database.write() as tx:
        tx.connection.exec_driver_sql("DELETE FROM leaders")
    ran = cli("reconcile", "--json")
    assert ran.code == 4
    told = ran.json()
    assert told["needs_person"]
    assert [(found["code"], found["became"]) for found in told["findings"]] == [("no_relay", "needs a person")]
    assert told["findings"][0]["remedy"] == "Start portal-sync relay."


@pytest.mark.usefixtures("office")
def test_reconcile_without_redis_says_so_and_ends_with_4(cli: Cli) -> None:
    ran = cli("reconcile")
    assert ran.code == 4
    assert "1 x redis_away: needs a person" in ran.out
    assert max(map(len, ran.out.splitlines())) <= 80


def test_housekeeping_shows_what_went(cli: Cli, office: World, simulator: SimulatorHandle) -> None:
    office.run_import(importable(simulator)[0].uuid)
    office.pass_time(100 * 86_400)
    for arguments, words in (
        (("--dry-run",), "Nothing was deleted."),
        ((), "Deleted"),
        (("--json",), '"dry_run": false'),
    ):
        ran = cli("housekeeping", *arguments)
        assert (ran.code, ran.err) == (0, "")
        assert words in ran.out
    assert cli("housekeeping", "--json").json()["rows"]["finished jobs"] == 0


@pytest.mark.usefixtures("redis")
def test_a_person_is_erased_after_a_yes(
    cli: Cli, office: World, simulator: SimulatorHandle, operator: UUID, at_terminal: Callable[[], None]
) -> None:
    office.run_import(importable(simulator)[0].uuid)
    with office.database.read() as tx:
        client_id = tx.session.scalars(select(Client.id)).one()
    erase = ("person", "erase", "--client", client_id, "--as", operator, "--reason", "request 17")
    ran = cli(*erase, "--dry-run")
    assert (ran.code, ran.out.splitlines()[-1]) == (0, "Nothing was erased.")
    assert ran.out.splitlines()[:2] == ["1 client to erase", f"  {client_id}"]
    assert "clients" in ran.out
    refused = cli(*erase, given="y\n")
    assert (refused.code, "There is no terminal to ask on: give --yes." in refused.err) == (2, True)
    at_terminal()
    assert cli(*erase, given="n\n").code == 130
    asked = cli(*erase, "--json", given="n\n")
    assert (asked.code, asked.out.strip(), f"  {client_id}\n" in asked.err) == (130, "", True)
    assert cli(*erase, given="").code == 130
    assert office.scalar("SELECT count(*) FROM clients") == 1
    ran = cli(*erase, given="y\n")
    assert (ran.code, ran.out.splitlines()[-1].strip()) == (0, "Erased.")
    assert office.scalar("SELECT count(*) FROM clients") == 0
    ran = cli(*erase, "--yes")
    assert (ran.code, ran.err) == (
        1,
        "Error: The portal holds no data about this person. Check the ids."
        " It holds no data about a person who was erased earlier.\n",
    )


@pytest.mark.usefixtures("redis")
def test_a_record_is_erased_for_a_script(cli: Cli, office: World, simulator: SimulatorHandle, operator: UUID) -> None:
    person = importable(simulator)[0]
    client_id = office.run_import(person.uuid).client_id
    ran = cli(
        *("person", "erase", "--practice", office.practice_id, "--xpm-uuid", person.uuid),
        *("--as", operator, "--reason", "request 17", "--yes", "--json"),
    )
    assert (ran.code, ran.json()["rows"]["clients"], ran.json()["client_ids"]) == (0, 1, [str(client_id)])


@pytest.mark.parametrize("who", [(), ("--client", UUID(int=1), "--practice", UUID(int=2)), ("--practice", UUID(int=2))])
@pytest.mark.usefixtures("office", "redis")
def test_who_is_meant_must_be_clear(cli: Cli, who: tuple[object, ...]) -> None:
    ran = cli("person", "erase", *who, "--as", UUID(int=1), "--reason", "x", "--yes")
    assert (ran.code, ran.err) == (2, "Error: Give either --client, or --practice and --xpm-uuid.\n")


def test_without_redis_nobody_is_erased(cli: Cli, office: World, simulator: SimulatorHandle, operator: UUID) -> None:
    person = importable(simulator)[0]
    office.run_import(person.uuid)
    record = ("--practice", office.practice_id, "--xpm-uuid", person.uuid)
    ran = cli("person", "erase", *record, "--as", operator, "--reason", "x", "--yes")
    assert ran.code == 3
    assert "nothing was erased" in ran.err
    assert office.scalar("SELECT count(*) FROM clients") == 1


def test_a_restore_is_begun_and_finished(cli: Cli, office: World, simulator: SimulatorHandle, operator: UUID) -> None:
    office.run_import(importable(simulator)[0].uuid, send_welcome_email=True)
    with office.database.write() as tx:
        tx.session.execute(update(WelcomeEmail).values(state=EmailState.PENDING))
    ran = cli("restore", "begin", "--as", operator, "--reason", "disk died")
    assert (ran.code, ran.err) == (0, "")
    assert "1 welcome email may have been sent since the backup" in ran.out
    assert ran.out.index("restore finish") < ran.out.index("emails list --state unknown")
    assert cli("restore", "begin", "--as", operator, "--reason", "again").code == 1
    assert cli("restore", "finish", "--as", operator).out == "Work is resumed.\n"
    ran = cli("restore", "finish", "--as", uuid4())
    assert ran.code == 1
    assert "There is no operator with this id or email address." in ran.err
