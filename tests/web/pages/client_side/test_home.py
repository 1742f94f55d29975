"""A client's home: their tasks and details, and nothing of anybody else."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import insert

from handlers.access import passwords
from portal_db.clients import clients, team
from portal_db.clients.clients import FieldValue
from portal_db.clients.history import By
from portal_db.states import ChangeSource, ConnectionAccess, FieldSource, Role
from portal_db.tables import XpmLink
from portal_db.types import database_time, db_now
from tests.making import Account, co_owner
from tests.web.desk import PASSWORD, Desk, Person
from tests.web.pages.client_side.given import HOME, a_task, acts_for, client_reader
from tests.web.pages.frame.test_frame import keeps_the_rules
from tests.web.pages.people import connected
from tests.web.pages.reading import Reader, reader
from tests.web.pages.settings.test_firm import PNG, upload

DETAILS = "/my/details"


def with_phone(desk: Desk, person: Person, client_id: UUID, phone: str) -> None:
    with desk.world.database.write() as tx:
        by = By(person.practice_id, ChangeSource.STAFF, staff_id=person.staff_id)
        value = FieldValue("phone", phone, FieldSource.STAFF)
        clients.put_fields(tx, client_id, [value], as_of=database_time(tx.session), by=by)


def sees(visitor: Reader) -> str:
    """Everything that a client can read."""
    return visitor.open(HOME).text + visitor.open(DETAILS).text


def test_a_client_completes_a_task_once_with_a_note_that_staff_read(desk: Desk) -> None:
    staff = connected(desk)
    account = desk.client(desk.partner)
    task_id = a_task(desk, desk.partner, account.client_id, "Sign <the> letter", note="Both pages")
    client = client_reader(desk, account)
    page = keeps_the_rules(client.open(client.open(HOME).links()["Sign <the> letter"]))
    assert (page.heading, "Both pages" in page.text) == ("Sign <the> letter", True)
    complete = f"{HOME}/{task_id}/complete"
    long = keeps_the_rules(client.send(page, complete, answer="x" * 5001))
    assert (long.status, set(long.faults())) == (422, {"answer"})
    done = keeps_the_rules(client.send(page, complete, answer="Signed, see my email."))
    assert (done.path, "Task completed." in done.text) == (HOME, True)
    assert "complete" not in str([form["action"] for form in client.open(f"{HOME}/{task_id}").main.all("form")])
    assert client.send(page, complete, answer="Again").status == 409
    shown = keeps_the_rules(staff.open(f"/clients/{account.client_id}"))
    assert "Signed, see my email." in shown.text
    assert "Completed" in shown.text
    assert desk.world.scalar("SELECT count(*) FROM audit WHERE action = 'task.completed'") == 1


def test_nobody_reads_or_completes_anything_of_another_client(any_desk: Desk) -> None:
    desk = any_desk
    elsewhere = desk.other_practice(Role.PARTNER)
    theirs: list[tuple[Person, Account, str, UUID]] = []
    for person, name in ((desk.partner, "Gwen Mitchell"), (desk.partner, "Bo Zhang"), (elsewhere, "Ida Moss")):
        account = desk.client(person, name)
        with_phone(desk, person, account.client_id, f"phone of {name}")
        theirs.append((person, account, name, a_task(desk, person, account.client_id, f"Task of {name}")))
    for _, account, name, _ in theirs:
        client = client_reader(desk, account)
        words = sees(client)
        for _, _, other, task_id in theirs:
            assert all((part in words) == (other == name) for part in (f"Task of {other}", f"phone of {other}"))
            assert client.open(f"{HOME}/{task_id}").status == (200 if other == name else 404)
            if other != name:
                token = client.open(HOME).form("/sign-out")
                assert client.post(f"{HOME}/{task_id}/complete", token).status == 404
    assert desk.world.scalar("SELECT count(*) FROM tasks WHERE state = 'completed'") == 0


def test_an_entitys_task_goes_to_the_person_who_acts_for_it_and_guests_read_its_details(any_desk: Desk) -> None:
    desk = any_desk
    by_email, by_record, nobody = (desk.client(desk.partner, name) for name in ("By Email", "By Record", "No Body"))
    entity = desk.entity(desk.partner)
    with_phone(desk, desk.partner, entity, "phone of the reef")
    first = acts_for(desk, desk.partner, entity, by_email.email.upper())
    second = acts_for(desk, desk.partner, entity, nobody.email, ConnectionAccess.NONE)
    tie(desk, by_record.client_id, second)  # the record says who it is, whatever the email
    a_task(desk, desk.partner, entity, "For the email", connection_id=first)
    task_id = a_task(desk, desk.partner, entity, "For the record", connection_id=second)
    seen = {each.email: sees(client_reader(desk, each)) for each in (by_email, by_record, nobody)}
    tasks = {
        email: [title for title in ("For the email", "For the record") if title in words]
        for email, words in seen.items()
    }
    assert list(tasks.values()) == [["For the email"], ["For the record"], []]
    assert ["phone of the reef" in words for words in seen.values()] == [True, False, False]
    page = client_reader(desk, by_record).open(f"{HOME}/{task_id}")
    assert "Blue Reef Pty Ltd" in page.text
    assert client_reader(desk, by_email).open(f"{HOME}/{task_id}").status == 404


def tie(desk: Desk, client_id: UUID, member_id: UUID) -> None:
    """Link a client and a team member to one record of XPM."""
    with desk.world.database.write() as tx:
        record, world = tx.new_id(), desk.world
        team.change(tx, member_id, {"xpm_uuid": record})
        row = {"id": tx.new_id(), "practice_id": world.practice_id, "client_id": client_id, "xpm_uuid": record}
        row |= {"connection_id": world.connection_id, "linked_by": world.staff_id}
        tx.session.execute(insert(XpmLink).values(**row, tenant_id="t", linked_at=db_now()))


def test_a_co_owner_sees_the_account_that_they_co_own(any_desk: Desk) -> None:
    desk = any_desk
    owner, other = desk.client(desk.partner, "Gwen Mitchell"), desk.client(desk.partner, "Ida Moss")
    a_task(desk, desk.partner, owner.client_id, "For both")
    a_task(desk, desk.partner, other.client_id, "For Ida")
    _, bo = co_owner(desk.world.database, owner, password_hash=passwords.hash_of(PASSWORD))
    words = sees(client_reader(desk, bo))
    assert ("For both" in words, "For Ida" in words, "Gwen Mitchell" in words) == (True, False, True)


def test_a_client_sees_the_colour_and_the_logo_of_their_firm(desk: Desk) -> None:
    owner = reader(desk, desk.staff(Role.OWNER))
    client = client_reader(desk, desk.client(desk.partner))
    assert "/brand/" not in client.open(HOME).answer.text
    upload(owner, PNG, colour="#ffdd00")
    page = keeps_the_rules(client.open(HOME))
    assert next(item["src"] for item in page.root.all("img")).startswith("/brand/")
    sheet = next(item["href"] for item in page.root.all("link") if item["href"].startswith("/brand/"))
    answer = desk.browser().get(sheet)
    assert answer.headers["content-type"].startswith("text/css")
    assert "--bar: #ffdd00; --bar-ink: #14202e;" in answer.text
    assert desk.browser().get("/brand/red;}.css").status_code == 404
