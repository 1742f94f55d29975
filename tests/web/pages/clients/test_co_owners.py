"""Inviting a co-owner from the client's Team, and their way from the email to the client's tasks and details."""

from __future__ import annotations

from uuid import UUID

import pytest
from limits import RateLimitItemPerHour
from sqlalchemy import update

from portal_db.states import EmailState, Role
from portal_db.tables import CoOwnerInvitation
from tests.making import co_owner
from tests.web.desk import PASSWORD, Desk
from tests.web.pages.account.test_activate import opened, token_in_the_mail
from tests.web.pages.client_side.given import HOME, a_task, signing_in
from tests.web.pages.clients.test_list import HOSTILE
from tests.web.pages.frame.test_frame import keeps_the_rules
from tests.web.pages.people import connected
from tests.web.pages.reading import Page, reader, stranger
from web import usage

SEND, AGAIN = "Send invitation to Bo Mitchell", "Resend invitation to Bo Mitchell"


def team_of(page: Page) -> str:
    return next(item.text for item in page.main.all("section") if item["aria-labelledby"] == "team")


def test_a_co_owner_is_invited_once_activates_and_sees_the_clients_tasks_and_details(desk: Desk) -> None:
    owner = desk.client(desk.partner, is_active=False)
    member_id, bo = co_owner(desk.world.database, owner)
    a_task(desk, desk.partner, owner.client_id, "For both")
    staff, client_page = connected(desk), f"/clients/{owner.client_id}"
    # Given a co-owner whom a review added: staff see that nobody has invited them
    page = keeps_the_rules(staff.open(client_page))
    assert "co-owner Not invited" in team_of(page)
    asked = keeps_the_rules(staff.open(page.links()[SEND]))
    assert asked.path == f"{client_page}/team/{member_id}/invite"
    assert (bo.email in asked.text, "Hello Bo Mitchell," in asked.text) == (True, True)
    # When the invitation is sent, twice by a double click, then one email comes
    for _ in range(2):
        page = staff.send(asked, asked.path)
        assert (page.path, "The invitation is being sent." in page.text) == (client_page, True)
    assert ("Being sent" in team_of(page), SEND in page.links()) == (True, False)
    desk.world.run_due()
    assert [each.recipient for each in desk.world.mail.deliveries()] == [bo.email]
    page = staff.open(client_page)
    assert ("Invited" in team_of(page), AGAIN in page.links()) == (True, True)
    # When they follow its link, it is their own account
    visitor = stranger(desk)
    form = keeps_the_rules(opened(visitor, token_in_the_mail(desk)))
    assert ("Welcome, Bo Mitchell" in form.text, bo.email in form.text) == (True, True)
    home = keeps_the_rules(visitor.send(form, "/activate", password=PASSWORD, password_again=PASSWORD))
    assert (home.path, "For both" in home.text) == (HOME, True)
    assert "Gwen Mitchell" in keeps_the_rules(visitor.open("/my/details")).text
    _, again = signing_in(desk, bo)
    assert again.path == HOME
    # And staff see that they are active: there is nothing more to send
    page = keeps_the_rules(staff.open(client_page))
    assert ("Active" in team_of(page), SEND in page.links(), AGAIN in page.links()) == (True, False, False)
    late = keeps_the_rules(staff.send(asked, asked.path, idempotency_key="another"))
    assert (late.status, "The co-owner has already activated their account." in late.text) == (409, True)
    audit = reader(desk, desk.staff(Role.OWNER)).open("/admin/audit")
    assert "Invited a co-owner" in audit.text


def test_of_an_invitation_of_unknown_outcome_staff_are_told_to_ask_first(desk: Desk) -> None:
    owner = desk.client(desk.partner)
    co_owner(desk.world.database, owner)
    staff, client_page = connected(desk), f"/clients/{owner.client_id}"
    asked = staff.open(staff.open(client_page).links()[SEND])
    staff.send(asked, asked.path)
    with desk.world.database.write() as tx:
        tx.session.execute(update(CoOwnerInvitation).values(state=EmailState.UNKNOWN))
    page = staff.open(client_page)
    assert "Unknown" in team_of(page)
    asked = keeps_the_rules(staff.open(page.links()[AGAIN]))
    assert "We don't know whether the last one arrived. Ask Bo Mitchell before you send another." in asked.text
    assert staff.send(asked, asked.path).path == client_page


def test_only_who_may_invite_the_client_invites_a_co_owner(desk: Desk) -> None:
    person = desk.staff(Role.BASIC)
    owner, theirs = desk.client(desk.partner), desk.client(person)
    member_id, _ = co_owner(desk.world.database, owner)
    looked_at, _ = co_owner(desk.world.database, theirs)
    path = f"/clients/{owner.client_id}/team/{member_id}/invite"
    # Another practice finds neither client nor co-owner, a colleague who only looks is refused
    outsider, basic = reader(desk, desk.other_practice()), reader(desk, person)
    seen = keeps_the_rules(basic.open(f"/clients/{theirs.client_id}"))
    assert ("co-owner Not invited" in team_of(seen), SEND in seen.links()) == (True, False)
    own = f"/clients/{theirs.client_id}/team/{looked_at}/invite"
    for visitor, address, status in ((outsider, path, 404), (basic, own, 403)):
        assert visitor.open(address).status == status
        assert visitor.post(address, visitor.open("/clients").form("/sign-out")).status == status
    # A co-owner of one client is nobody at another one; a form without the session's token does nothing
    staff = connected(desk)
    own_client, stranger_id = f"/clients/{owner.client_id}/team", UUID(int=1)
    assert staff.open(f"{own_client}/{stranger_id}/invite").status == 404
    assert staff.post(path, {"csrf_token": "0" * 64}).status == 403
    desk.world.run_due()
    assert desk.world.mail.deliveries() == []


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_text(desk: Desk, name: str) -> None:
    owner = desk.client(desk.partner)
    member_id, _ = co_owner(desk.world.database, owner, name)
    for path in ("", f"/team/{member_id}/invite"):
        page = keeps_the_rules(connected(desk).open(f"/clients/{owner.client_id}{path}"))
        assert name in {item.text for item in page.root.all("bdi")}, path


def test_one_co_owner_gets_so_many_emails_and_their_client_their_own(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage, "EMAILS_TO_A_CLIENT", RateLimitItemPerHour(1))
    owner = desk.client(desk.partner)
    (first, _), (second, _) = (co_owner(desk.world.database, owner, name) for name in ("Bo", "Cy"))
    staff = connected(desk)
    answers = []
    for member_id in (first, first, second):
        path = f"/clients/{owner.client_id}/team/{member_id}/invite"
        form = staff.open(path)
        answers.append([staff.send(form, path).status for _ in range(2)])  # a form that is sent again is the same email
        desk.world.run_due()
    assert answers == [[200, 200], [429, 429], [200, 200]]
    assert len(desk.world.mail.deliveries()) == 2
