"""Staff send the welcome email again, or later: one a press, only while the account is not active, and the old link ends."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID, uuid4

from sqlalchemy import select

from handlers.access import activation
from handlers.access.activation import LinkState, activation_token
from handlers.access.caller import Caller
from handlers.imports.accept import Accepted
from handlers.imports.welcome_email import invite
from portal_db.access import people
from portal_db.states import ActorKind, EmailState, ImportState, Role
from portal_db.tables import Client, Login
from tests.handlers.given import client_of, link_entity
from tests.handlers.operations import given as ops
from tests.world import World
from worker.local.mail_catcher import Behaviour
from xpm.simulator.serve import SimulatorHandle


def caller(world: World) -> Caller:
    with world.database.read() as tx:
        staff = people.get_staff(tx, world.staff_id, practice_id=world.practice_id)
    assert staff is not None
    return Caller.of(staff)


def press(world: World, client_id: UUID, key: str | None = None) -> Accepted:
    return invite(world.database, world.bell, caller(world), client_id, key or uuid4().hex)


def imported(world: World, simulator: SimulatorHandle, *, welcome: bool) -> tuple[UUID, UUID]:
    """A client's import, done, and the client."""
    import_id = ops.ask(world, simulator, send_welcome_email=welcome)
    world.run_due()
    return import_id, client_of(world, world.import_row(import_id)).id


def test_one_more_email_a_press_and_the_link_before_ends(world: World, simulator: SimulatorHandle) -> None:
    import_id, client_id = imported(world, simulator, welcome=True)
    email = ops.email_of(world, import_id)
    old = activation_token(world.services, email.id, email.version)
    first, again = (press(world, client_id, "one press") for _ in range(2))
    assert (first, again) == (Accepted(import_id, is_new=True), Accepted(import_id, is_new=False))
    ops.refused(lambda: press(world, client_id), "email_under_way")
    world.run_due()
    assert len(world.mail.deliveries()) == 2
    assert activation.look(world.database, old).state is LinkState.ENDED
    new = activation_token(world.services, email.id, email.version + 1)
    assert activation.look(world.database, new).state is LinkState.LIVE
    assert ops.holds_together(world, import_id) is ImportState.SUCCEEDED
    assert press(world, client_id, "one press").is_new is False
    (entry,) = [entry for entry in ops.entries_of(world, "email", email.id) if entry.action == "email.resend"]
    assert (entry.actor, entry.actor_id, entry.after) == (ActorKind.STAFF, world.staff_id, "pending, version 2")


def test_a_client_imported_without_it_is_invited_later(world: World, simulator: SimulatorHandle) -> None:
    import_id, client_id = imported(world, simulator, welcome=False)
    press(world, client_id)
    world.run_due()
    assert [one.recipient for one in world.mail.deliveries()] == [login_email(world, client_id)]
    assert ops.holds_together(world, import_id) is ImportState.SUCCEEDED
    assert ops.email_of(world, import_id).state is EmailState.SENT


def login_email(world: World, client_id: UUID) -> str:
    with world.database.read() as tx:
        statement = select(Login.email).join(Client, Client.login_id == Login.id).where(Client.id == client_id)
        return tx.session.execute(statement).scalar_one()


def test_an_active_account_needs_no_invitation(sqlite_world: World, simulator: SimulatorHandle) -> None:
    _, client_id = imported(sqlite_world, simulator, welcome=True)
    ops.activate(sqlite_world)
    ops.refused(lambda: press(sqlite_world, client_id), "login_activated")


def test_an_entity_is_never_invited(sqlite_world: World) -> None:
    world = sqlite_world
    owner, entity = replace(caller(world), role=Role.OWNER), link_entity(world, uuid4())
    ops.refused(lambda: invite(world.database, world.bell, owner, entity, "press"), "no_login")


def test_an_unknown_outcome_stays_with_operations(sqlite_world: World, simulator: SimulatorHandle) -> None:
    world = sqlite_world
    import_id, _ = ops.unknown_email(world, simulator)
    client_id = client_of(world, world.import_row(import_id)).id
    ops.refused(lambda: press(world, client_id), "email_outcome_unknown")
    world.run_due()
    assert world.mail.deliveries() == []


def test_one_that_was_refused_is_tried_again(sqlite_world: World, simulator: SimulatorHandle) -> None:
    world = sqlite_world
    world.mail.behave(Behaviour(refuse={"*": "550 5.1.1 No such mailbox"}))
    import_id, client_id = imported(world, simulator, welcome=True)
    assert ops.email_of(world, import_id).state is EmailState.REFUSED
    world.mail.behave(Behaviour())
    press(world, client_id)
    world.run_due()
    assert ops.email_of(world, import_id).state is EmailState.SENT
    assert ops.holds_together(world, import_id) is ImportState.SUCCEEDED
