"""Staff invite a co-owner: one email a press, only while the account is not active; then they activate it and sign in."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select, update

from handlers.access import activation
from handlers.access.act import Act
from handlers.access.activation import LinkState
from handlers.access.caller import Caller, Scope
from handlers.access.practices import add_operator
from handlers.clients import co_owners
from handlers.operations import dead_letters, restore
from portal_db import co_owner_invitations
from portal_db.access import activations
from portal_db.states import EmailState, JobState, Role
from portal_db.tables import Client, CoOwnerInvitation, Job, Login
from portal_db.types import db_now
from tests.handlers.access.test_activation import DAYS_30, newest_token, set_terms, use
from tests.handlers.clients.test_task_email import kim
from tests.handlers.given import take_back_lost
from tests.handlers.imports.test_send_welcome_email import Killed, KillingMailer, live_on
from tests.handlers.operations import given as ops
from tests.making import Account, account, co_owner
from tests.racing import at_once, failures
from tests.world import World, connect_practice
from worker.local.mail_catcher import Behaviour

KIND = "invite_co_owner"


def with_co_owner(world: World) -> tuple[Account, UUID, Account]:
    """A client of Kim's, and the co-owner of their account whom nobody has invited: as team member, and by their login."""
    owner = account(world.database, world.practice_id, world.staff_id)
    return owner, *co_owner(world.database, owner)


def press(world: World, client_id: UUID, member_id: UUID, key: str | None = None, by: Caller | None = None) -> None:
    co_owners.invite(world.database, world.bell, by or kim(world), client_id, member_id, key or uuid4().hex)


def became(world: World) -> tuple[EmailState | None, JobState | None]:
    """The state of the only invitation and of its last job."""
    with world.database.read() as tx:
        job = tx.session.scalars(select(Job.state).where(Job.kind == KIND).order_by(Job.created_at.desc())).first()
        return tx.session.scalars(select(CoOwnerInvitation.state)).one_or_none(), job


def job_id(world: World) -> UUID:
    with world.database.read() as tx:
        return tx.session.scalars(select(Job.id).where(Job.kind == KIND)).one()


def test_they_are_invited_activate_and_sign_in(world: World) -> None:
    set_terms(world, text="Be kind.")
    owner, member_id, bo = with_co_owner(world)
    asked = co_owners.ask(world.database, world.services.settings, kim(world), owner.client_id, member_id)
    assert (asked.letter.to, "Hello Bo Mitchell," in asked.letter.text) == (bo.email, True)
    press(world, owner.client_id, member_id)
    world.run_due()
    # The email that staff were shown went to the co-owner
    (delivery,) = world.mail.deliveries()
    assert (delivery.recipient, delivery.subject) == (bo.email, asked.letter.subject)
    assert became(world) == (EmailState.SENT, JobState.SUCCEEDED)
    # Its link is theirs, and asks for the firm's terms
    token = newest_token(world)
    shown = activation.look(world.database, token)
    assert (shown.state, shown.client_name, shown.email) == (LinkState.LIVE, "Bo Mitchell", bo.email)
    ops.refused(lambda: use(world, token, accepts_terms=False), "terms_not_accepted")
    ops.refused(lambda: use(world, token, "bo mitchell"), "bad_password")
    use(world, token)
    ops.refused(lambda: use(world, token), "link_used")
    with world.database.read() as tx:
        active = set(tx.session.scalars(select(Login.id).where(Login.activated_at.is_not(None))))
    assert active == {owner.login_id, bo.login_id}, "the client's own account is as it was"
    # And from then on there is nobody to invite
    ops.refused(lambda: press(world, owner.client_id, member_id), "login_activated")
    (entry,) = [each for each in ops.entries_of(world, "client", owner.client_id) if "invite" in each.action]
    assert (entry.action, entry.actor_id, entry.after) == ("client.invite_co_owner", world.staff_id, "version 1")


def test_one_more_email_a_press_and_the_link_before_ends(world: World) -> None:
    owner, member_id, _ = with_co_owner(world)
    for _ in range(2):
        press(world, owner.client_id, member_id, "one press")
    ops.refused(lambda: press(world, owner.client_id, member_id), "email_under_way")
    world.run_due()
    old = newest_token(world)
    press(world, owner.client_id, member_id, "one press")
    world.run_due()
    assert len(world.mail.deliveries()) == 1
    press(world, owner.client_id, member_id, "another press")
    assert activation.look(world.database, old).state is LinkState.ENDED
    world.run_due()
    assert len(world.mail.deliveries()) == 2
    assert activation.look(world.database, newest_token(world)).state is LinkState.LIVE
    world.pass_time(DAYS_30 + 1)
    assert activation.look(world.database, newest_token(world)).state is LinkState.ENDED


def test_of_two_colleagues_who_press_at_once_one_invites(world: World) -> None:
    owner, member_id, _ = with_co_owner(world)
    came = at_once(*(partial(press, world, owner.client_id, member_id) for _ in range(2)))
    assert [getattr(each, "code", None) for each in came if each is not None] == ["email_under_way"]
    world.run_due()
    assert len(world.mail.deliveries()) == 1


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_of_many_deliveries_at_once_one_sends(world: World) -> None:
    owner, member_id, _ = with_co_owner(world)
    press(world, owner.client_id, member_id)
    due, workers = job_id(world), [world.runner(owner=f"worker-{number}") for number in range(4)]
    assert failures(at_once(*(partial(worker.run, due) for worker in workers))) == []
    live_on(world)
    assert (became(world), len(world.mail.deliveries())) == ((EmailState.SENT, JobState.SUCCEEDED), 1)


@pytest.mark.parametrize("after_sending", [False, True])
def test_a_worker_killed_while_sending_leaves_it_unknown_for_staff_to_decide(
    sqlite_world: World, after_sending: bool
) -> None:
    world = sqlite_world
    owner, member_id, _ = with_co_owner(world)
    press(world, owner.client_id, member_id)
    killing = KillingMailer(world.services, after_sending=after_sending)
    with pytest.raises(Killed):
        world.runner(services=replace(world.services, mailer=killing)).run(job_id(world))
    take_back_lost(world)
    live_on(world)
    assert (became(world), len(world.mail.deliveries())) == ((EmailState.UNKNOWN, JobState.SUCCEEDED), after_sending)
    # Nobody sends it again by itself; a colleague who has asked the co-owner does
    press(world, owner.client_id, member_id)
    world.run_due()
    assert (became(world)[0], len(world.mail.deliveries())) == (EmailState.SENT, 1 + after_sending)


def test_a_server_that_wants_us_to_come_back_later_gets_it_once(sqlite_world: World) -> None:
    world = sqlite_world
    owner, member_id, _ = with_co_owner(world)
    press(world, owner.client_id, member_id)
    world.mail.behave(Behaviour(refuse={"*": "451 4.3.0 Try again later"}))
    world.run_due()
    assert became(world) == (EmailState.PENDING, JobState.WAITING)
    live_on(world)
    assert (became(world), len(world.mail.deliveries())) == ((EmailState.SENT, JobState.SUCCEEDED), 1)
    assert activation.look(world.database, newest_token(world)).state is LinkState.LIVE


def test_one_that_the_mail_server_refused_is_tried_again(sqlite_world: World) -> None:
    world = sqlite_world
    owner, member_id, _ = with_co_owner(world)
    world.mail.behave(Behaviour(refuse={"*": "550 5.1.1 No such mailbox"}))
    press(world, owner.client_id, member_id)
    world.run_due()
    assert became(world) == (EmailState.REFUSED, JobState.SUCCEEDED)
    world.mail.behave(Behaviour())
    press(world, owner.client_id, member_id)
    world.run_due()
    assert became(world)[0] is EmailState.SENT


@pytest.mark.parametrize(("meanwhile", "code"), [("activated", "login_activated"), ("archived", "client_archived")])
def test_what_is_not_wanted_any_more_is_not_sent(sqlite_world: World, meanwhile: str, code: str) -> None:
    world = sqlite_world
    owner, member_id, bo = with_co_owner(world)
    press(world, owner.client_id, member_id)
    with world.database.write() as tx:
        if meanwhile == "activated":
            assert activations.activate(tx, bo.login_id, "")
        else:
            tx.session.execute(update(Client).where(Client.id == owner.client_id).values(archived_at=db_now()))
    world.run_due()
    assert (became(world), world.mail.deliveries()) == ((EmailState.CANCELLED, JobState.SUCCEEDED), [])
    ops.refused(lambda: press(world, owner.client_id, member_id), code)


def test_after_an_operator_gave_it_up_staff_may_send_it(sqlite_world: World) -> None:
    world = sqlite_world
    owner, member_id, _ = with_co_owner(world)
    press(world, owner.client_id, member_id)
    world.mail.behave(Behaviour(refuse={"*": "451 4.3.0 Try again later"}))
    world.run_due()
    world.pass_time(3 * 86_400)
    world.run_due()
    assert became(world) == (EmailState.PENDING, JobState.DEAD)
    ops.refused(lambda: press(world, owner.client_id, member_id), "email_under_way")
    dead_letters.dismiss(world.database, ops.operator(world), job_id(world))
    assert became(world) == (EmailState.CANCELLED, JobState.DISMISSED)
    world.mail.behave(Behaviour())
    press(world, owner.client_id, member_id)
    world.run_due()
    assert became(world)[0] is EmailState.SENT


def test_a_bug_while_sending_leaves_it_unknown(sqlite_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world = sqlite_world
    owner, member_id, _ = with_co_owner(world)
    press(world, owner.client_id, member_id)
    monkeypatch.setattr(co_owners, "send_once", lambda *_: 1 / 0)
    world.run_due()
    assert (became(world), world.mail.deliveries()) == ((EmailState.UNKNOWN, JobState.DEAD), [])


def test_a_co_owner_is_invited_for_their_own_client_and_practice_only(sqlite_world: World) -> None:
    world = sqlite_world
    (owner, member_id, _), (other, _, _) = with_co_owner(world), with_co_owner(world)
    practice_id, stranger, _ = connect_practice(world.database, world.services.settings, "token", name="Quay Partners")
    by = Caller(practice_id, stranger, "Quinn", Role.OWNER, frozenset(Scope))
    ops.refused(lambda: press(world, other.client_id, member_id), "unknown_co_owner")
    ops.refused(lambda: press(world, owner.client_id, uuid4()), "unknown_co_owner")
    ops.refused(lambda: press(world, owner.client_id, member_id, by=by), "unknown_client")
    settings = world.services.settings
    ops.refused(lambda: co_owners.ask(world.database, settings, by, owner.client_id, member_id), "unknown_client")
    # An invitation is read for its own practice only
    press(world, owner.client_id, member_id)
    with world.database.read() as tx:
        (invitation_id,) = tx.session.scalars(select(CoOwnerInvitation.id))
        assert co_owner_invitations.addressed(tx, invitation_id, world.practice_id) is not None
        assert co_owner_invitations.addressed(tx, invitation_id, practice_id) is None


def test_an_invitation_of_a_backup_is_not_sent(sqlite_world: World) -> None:
    world = sqlite_world
    owner, member_id, _ = with_co_owner(world)
    press(world, owner.client_id, member_id)
    restore.begin(world.database, Act(add_operator(world.database, "Sam", "sam@platform.example"), "x"))
    assert became(world) == (EmailState.UNKNOWN, JobState.QUEUED)
