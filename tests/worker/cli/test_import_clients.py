"""One import from the command line: accepted even while Redis is away, followed to its end, and told in words or JSON."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID, uuid4

import pytest

from portal_db.states import ImportState
from tests.making import importable
from tests.repeating import repeated
from tests.worker.cli.conftest import Cli, Ran
from tests.world import World
from xpm.simulator.serve import SimulatorHandle


class Ask:
    """Imports one client as the office's staff member."""

    def __init__(self, cli: Cli, office: World) -> None:
        self.cli, self.office = cli, office

    def __call__(self, *arguments: object, kind: str | None = "individual") -> Ran:
        who = ("--practice", self.office.practice_id, "--as", self.office.staff_id)
        return self.cli("import", *who, *arguments, *(("--kind", kind) if kind else ()))


@pytest.fixture
def ask(cli: Cli, office: World) -> Ask:
    return Ask(cli, office)


@contextmanager
def working(office: World) -> Iterator[None]:
    """Jobs are run beside us, as a worker would."""
    with repeated(office.run_due, 0.05):
        yield


def test_an_import_is_accepted_while_redis_is_away(ask: Ask, office: World) -> None:
    # Given a Redis that does not answer, when one client is asked for
    xpm_uuid = uuid4()
    ran = ask(xpm_uuid, "--email", "kim@client.example", "--welcome", "--json")
    # Then it is in the record, as asked for, and a note says that it will be rung later
    told = ran.json()
    assert ran.code == 0
    assert "Redis does not answer" in ran.err
    assert len(ran.err.splitlines()) == 1
    (result,) = told["imports"]
    assert (result["state"], result["xpm_uuid"], result["code"]) == ("accepted", str(xpm_uuid), None)
    row = office.import_row(UUID(result["id"]))
    assert (row.email, row.send_welcome_email, row.idempotency_key) == ("kim@client.example", True, told["request_id"])


def test_every_option_reaches_the_request(ask: Ask, office: World) -> None:
    told = ask(uuid4(), "--name", "Kim Ltd", "--entity-type", "super fund", "--no-details", "--no-relationships",
               "--request-id", "k1", "--json", kind="entity").json()  # fmt: skip
    row = office.import_row(UUID(told["imports"][0]["id"]))
    assert (row.name, row.entity_type, row.bring_details, row.bring_relationships) == (
        "Kim Ltd", "Super Fund", False, False
    )  # fmt: skip
    told = ask(uuid4(), "--client-type", "business", "--subscription", "PRO", "--json").json()
    row = office.import_row(UUID(told["imports"][0]["id"]))
    assert (row.client_type, row.subscription, row.bring_details) == ("Business", "Pro", True)


@pytest.mark.usefixtures("office")
def test_the_same_request_id_asks_once(ask: Ask) -> None:
    xpm_uuid = uuid4()
    first, second = ask(xpm_uuid, "--request-id", "k1"), ask(xpm_uuid, "--request-id", "k1")
    assert first.out.split()[2] == second.out.split()[2]
    assert "already requested" in second.out
    assert "request id k1" in second.err
    other = ask(uuid4(), "--request-id", "k1")
    assert (other.code, other.out) == (1, "")
    assert "--request-id k1: This request id has already been used for a different request" in other.err


def test_waiting_ends_with_0_when_it_succeeded(ask: Ask, office: World, simulator: SimulatorHandle) -> None:
    # Given workers, when a person that can be imported is asked for and waited for
    with working(office):
        ran = ask(importable(simulator)[0].uuid, "--wait", "--timeout", "60", "--json")
    # Then the command ends when the import has, with the client
    (result,) = ran.json()["imports"]
    assert (ran.code, result["state"], result["code"]) == (0, "succeeded", None)
    assert office.import_row(UUID(result["id"])).client_id == UUID(result["client_id"])
    assert "1 of 1 closed: 1 succeeded" in ran.err


def test_waiting_ends_with_1_and_the_remedy_when_it_was_rejected(
    ask: Ask, office: World, simulator: SimulatorHandle
) -> None:
    person = importable(simulator)[0].uuid
    with working(office):
        ran = ask(person, "--wait", kind="entity")
    assert ran.code == 1
    assert "Rejected. In XPM this client is an individual" in ran.out
    assert "Import it as an individual." in " ".join(ran.out.split())


@pytest.mark.usefixtures("office")
def test_waiting_stops_when_its_time_is_up_and_the_import_goes_on(ask: Ask) -> None:
    # Given no worker
    ran = ask(uuid4(), "--wait", "--timeout", "0.3", "--json")
    # Then the command says so, and the import is still open
    assert ran.code == 1
    assert "1 import is still open after 0.3 s. They continue in the background" in ran.err
    assert ran.json()["imports"][0]["state"] == ImportState.ACCEPTED


def test_many_that_were_waited_for_are_told_with_those_that_failed(
    cli: Cli, office: World, simulator: SimulatorHandle
) -> None:
    first, second = (client.uuid for client in importable(simulator)[:2])
    rows = f"xpm_uuid,kind\n{first},individual\n{second},entity\n"
    with working(office):
        ran = cli(
            "import", "--practice", office.practice_id, "--as", office.staff_id, "--file", "-", "--wait", given=rows
        )
    assert ran.code == 1
    assert "1 of 2 succeeded." in ran.out
    assert "rejected wrong_kind" in " ".join(ran.out.split())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "Give either the XPM_UUID of one client, or --file"),
        ((uuid4(), "--file", "x.csv"), "Give either the XPM_UUID of one client, or --file"),
        ((uuid4(),), "Give --kind"),
        (("17", "--kind", "entity"), "Invalid value for 'XPM_UUID'"),
        ((uuid4(), "--kind", "person"), "'person' is not one of 'individual', 'entity'"),
        ((uuid4(), "--kind", "entity", "--email", "kim@client.example"), "email is for individuals only"),
        ((uuid4(), "--kind", "individual", "--entity-type", "Trust"), "entity_type is for entities only"),
        ((uuid4(), "--kind", "individual", "--name", "two\nlines"), "name: must be one line"),
        ((uuid4(), "--kind", "individual", "--request-id", " "), "request_id: must not be blank"),
    ],
)
def test_bad_values_are_one_line_and_nothing_is_recorded(
    ask: Ask, office: World, arguments: tuple[object, ...], words: str
) -> None:
    ran = ask(*arguments, kind=None)
    assert (ran.code, ran.out) == (2, "")
    assert words in ran.err
    assert len(ran.err.splitlines()) == 1
    assert office.scalar("SELECT count(*) FROM imports") == 0


def test_unknown_practice_and_staff_are_named(cli: Cli, office: World) -> None:
    nobody = uuid4()
    nowhere = cli("import", uuid4(), "--kind", "entity", "--practice", nobody, "--as", office.staff_id)
    assert (nowhere.code, nowhere.out) == (1, "")
    assert f"--practice {nobody}: There is no practice with this id" in nowhere.err
    stranger = cli("import", uuid4(), "--kind", "entity", "--practice", office.practice_id, "--as", nobody)
    assert stranger.code == 1
    assert f"--as {nobody}: Nobody with this id works at the practice" in stranger.err
