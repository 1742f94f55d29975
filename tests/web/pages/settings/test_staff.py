"""Admin settings > Staff: inviting, roles, deactivating with hand-over; and which staff a client is assigned to."""

from __future__ import annotations

import re
from uuid import UUID, uuid4

import pytest

from handlers import refusals
from handlers.access import staff
from handlers.errors import RequestRefused
from portal_db.access import members
from portal_db.states import Role
from tests.handlers.given import link_entity
from tests.handlers.schedule.test_leaving import connected_colleague, links
from tests.letters import body, letters
from tests.web.desk import Desk
from tests.web.pages.frame.test_frame import keeps_the_rules
from tests.web.pages.people import caller_of, connected
from tests.web.pages.reading import Page, Reader, reader, stranger

AT = "/admin/staff"
NEW = "another few quiet words"


def names(visitor: Reader) -> set[str]:
    """The clients that somebody sees in their list."""
    return {link.text for link in visitor.open("/clients").main.all("a") if link["class"] == "name"}


def invite(visitor: Reader, email: str, role: Role = Role.MANAGER) -> Page:
    page = keeps_the_rules(visitor.open(f"{AT}/invite"))
    return visitor.send(page, f"{AT}/invite", name="Gwen Mitchell", email=email, role=role.value)


def tick(visitor: Reader, act: str, colleague: UUID, *client_ids: UUID) -> Page:
    """Tick clients in the list, and choose what becomes of them."""
    form = visitor.open("/clients").form("/clients/chosen")
    chosen = {"act": act, "colleague": str(colleague), "client": [str(each) for each in client_ids]}
    return Page.of(visitor.browser.post("/clients/chosen", data={**form, **chosen}))


def test_somebody_is_invited_sets_a_password_and_signs_in(desk: Desk) -> None:
    owner = reader(desk, desk.staff(Role.OWNER))
    listed = invite(owner, "gwen@practice.example")
    assert (listed.path, "Added. The invitation is being sent." in listed.text) == (AT, True)
    assert "Invited" in keeps_the_rules(listed).text
    # When the email is lost, another one is sent
    member = listed.links()["Gwen Mitchell"]
    owner.send(keeps_the_rules(owner.open(member)), f"{member}/invitation")
    desk.world.run_due()
    sent = letters(desk.world)
    assert [each["To"] for each in sent] == ["gwen@practice.example"] * 2
    text = body(sent[-1])
    assert "has added you to its portal" in text
    found = re.search(r"/set-password#(\S+)", text)
    assert found is not None
    # And when its link is opened two days later, it still works
    desk.world.pass_time(2 * 86_400)
    new = stranger(desk)
    page = new.open("/set-password")
    done = new.post("/set-password", {**page.form("/set-password"), "token": found[1], "password": NEW,
                                      "password_again": NEW})  # fmt: skip
    signed_in = new.send(done, "/sign-in", email="gwen@practice.example", password=NEW)
    assert signed_in.path == "/clients"
    assert "Staff" not in signed_in.links()
    # A third invitation is of no use
    owner = reader(desk, desk.staff(Role.OWNER))
    token = {"csrf_token": owner.open(AT).form("/sign-out")["csrf_token"]}
    assert refusals.PASSWORD_ALREADY_SET.message in owner.post(f"{member}/invitation", token).text
    # Nor is an email that somebody has
    again = keeps_the_rules(invite(owner, "gwen@practice.example"))
    assert (set(again.faults()), again.form(f"{AT}/invite")["name"]) == ({"email"}, "Gwen Mitchell")


def test_only_an_owner_decides_about_owners_and_nobody_about_themselves(desk: Desk) -> None:
    owner, other, admin = desk.staff(Role.OWNER), desk.staff(Role.OWNER), desk.staff(Role.ACCOUNT_ADMIN)
    boss, deputy = reader(desk, owner), reader(desk, admin)
    assert refusals.OWNERS_ONLY.message in invite(deputy, "new@practice.example", Role.OWNER).text
    page = deputy.open(f"{AT}/{other.staff_id}")
    assert refusals.OWNERS_ONLY.message in deputy.send(page, f"{page.path}/role", role="basic").text
    token = {"csrf_token": page.form("/sign-out")["csrf_token"]}
    assert refusals.OWNERS_ONLY.message in deputy.post(f"{page.path}/deactivate", token).text
    token = {"csrf_token": boss.open(AT).form("/sign-out")["csrf_token"], "role": "basic"}
    for act in ("role", "deactivate"):
        assert refusals.OWN_ROLE.message in boss.post(f"{AT}/{owner.staff_id}/{act}", token).text
    # What an owner decides counts from the next click
    done = boss.send(boss.open(f"{AT}/{admin.staff_id}"), f"{AT}/{admin.staff_id}/role", role="manager")
    assert "Saved." in done.text
    assert deputy.open(AT).status == 403
    # And who was an owner a moment ago takes nobody's role away
    stale = caller_of(desk, owner)
    with desk.world.database.write() as tx:
        members.set_role(tx, owner.staff_id, Role.MANAGER)
    with pytest.raises(RequestRefused, match="Only owners and account admins"):
        staff.set_role(desk.world.database, stale, other.staff_id, Role.BASIC)


def test_who_is_deactivated_is_out_and_a_colleague_has_their_clients(desk: Desk) -> None:
    world, record = desk.world, uuid4()
    client_id = link_entity(world, record)
    desk.entity(desk.partner, "Reef Trust")
    colleague, boss = connected_colleague(world, (record,)), reader(desk, desk.staff(Role.OWNER))
    leaver = connected(desk)
    page = keeps_the_rules(boss.open(f"{AT}/{world.staff_id}/deactivate"))
    assert "their waiting imports are cancelled" in page.text
    done = keeps_the_rules(boss.send(page, page.path, colleague=str(colleague)))
    assert ("Deactivated" in done.text, leaver.open("/clients").path) == (True, "/sign-in")
    with world.database.read() as tx:
        found = members.get(tx, world.practice_id, colleague)
        assert links(tx)[client_id] != world.connection_id
    assert found is not None
    assert found.clients == 1
    # Nobody is deactivated twice
    token = {"csrf_token": done.form("/sign-out")["csrf_token"]}
    assert boss.post(page.path, token).status == 404


def test_clients_that_were_left_behind_are_handed_over_later(desk: Desk) -> None:
    world, record = desk.world, uuid4()
    client_id = link_entity(world, record)
    boss = reader(desk, desk.staff(Role.OWNER))
    page = boss.open(f"{AT}/{world.staff_id}/deactivate")
    done = keeps_the_rules(boss.send(page, page.path, colleague=""))
    assert "1 client is still linked to XPM through their connection" in done.text
    colleague, action = connected_colleague(world, (record,)), f"{AT}/connections/{world.connection_id}/hand-over"
    # Without a colleague the form says so, and the summary leads to its field
    chosen = keeps_the_rules(boss.send(done, action, colleague=""))
    assert chosen.faults() == {f"colleague-{world.connection_id}": "Choose a colleague."}
    after = boss.send(chosen, action, colleague=str(colleague))
    assert ("Handed over." in after.text, "still linked" in after.text) == (True, False)
    with world.database.read() as tx:
        assert links(tx)[client_id] != world.connection_id


def test_clients_are_assigned_in_bulk_and_singly(any_desk: Desk) -> None:
    desk = any_desk
    person, boss = desk.staff(Role.MANAGER), reader(desk, desk.staff(Role.OWNER))
    ids = [desk.entity(desk.partner, name) for name in ("Reef Trust", "Blue Company")]
    colleague = reader(desk, person)
    assert names(colleague) == set()
    assert "2 assigned." in keeps_the_rules(tick(boss, "assign", person.staff_id, *ids)).text
    assert names(colleague) == {"Reef Trust", "Blue Company"}
    assert "1 no longer assigned." in tick(boss, "unassign", person.staff_id, ids[0]).text
    assert names(colleague) == {"Blue Company"}
    # On the client's page, who has it may share it, and only owners and account admins take it away
    other = desk.staff(Role.PARTNER)
    page = keeps_the_rules(colleague.open(f"/clients/{ids[1]}"))
    shared = colleague.send(page, f"/clients/{ids[1]}/assignees", colleague=str(other.staff_id))
    assert "Assigned." in shared.text
    assert names(reader(desk, other)) == {"Blue Company"}
    token = {"csrf_token": shared.form("/sign-out")["csrf_token"]}
    assert colleague.post(f"/clients/{ids[1]}/assignees", {**token, "remove": str(other.staff_id)}).status == 403
    token = {"csrf_token": boss.open(AT).form("/sign-out")["csrf_token"]}
    boss.post(f"/clients/{ids[1]}/assignees", {**token, "remove": str(other.staff_id)})
    assert names(reader(desk, other)) == set()
    # Nobody assigns what they do not see, or to another practice
    assert tick(colleague, "assign", person.staff_id, ids[0]).status == 404
    assert tick(boss, "assign", desk.other_practice().staff_id, ids[0]).status == 404
    assert desk.world.scalar("SELECT count(*) FROM audit WHERE action LIKE 'client.%assign'") == 5


def test_other_roles_and_other_practices_have_none_of_it(desk: Desk) -> None:
    member, client_id = desk.staff(Role.BASIC), desk.entity(desk.partner)
    for person in (desk.staff(Role.PARTNER), desk.other_practice()):
        visitor = reader(desk, person)
        token = {"csrf_token": visitor.open("/clients").form("/sign-out")["csrf_token"], "role": "manager"}
        statuses = [visitor.open(f"{AT}/{member.staff_id}{page}").status for page in ("", "/deactivate")]
        posted = [visitor.post(f"{AT}/{member.staff_id}/{act}", token).status for act in ("role", "mfa", "invitation")]
        assert set(statuses) | set(posted) <= {403, 404}
        assert (
            visitor.post(f"/clients/{client_id}/assignees", {**token, "colleague": str(person.staff_id)}).status == 404
        )
    assert caller_of(desk, member).role is Role.BASIC
    assert reader(desk, member).open(f"{AT}/invite").status == 403
