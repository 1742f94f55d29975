"""A client activates their account by the link of the welcome email: once, within 30 days, and never by an older link."""

from __future__ import annotations

import re
from functools import partial
from uuid import UUID

import pytest
from sqlalchemy import select

from handlers.access import activation, passwords, terms
from handlers.access.activation import LinkState
from handlers.access.caller import Caller, Scope
from handlers.access.terms import NewTerms
from handlers.access.tokens import hashed
from handlers.errors import RequestRefused
from handlers.imports.amend import amend
from handlers.imports.welcome_email import resend
from portal_db.access import activations
from portal_db.access import terms as stored_terms
from portal_db.states import Role
from portal_db.tables import Client, Login
from tests.handlers.operations import given as ops
from tests.letters import body, letters
from tests.racing import at_once
from tests.world import World
from xpm.simulator.serve import SimulatorHandle

PASSWORD = "seven small boats at sea"
DAYS_30 = 30 * 24 * 3600


def invited(world: World, simulator: SimulatorHandle) -> tuple[UUID, str]:
    """A client got the welcome email: their import, and the token of the link."""
    import_id = ops.ask(world, simulator, send_welcome_email=True)
    world.run_due()
    return import_id, newest_token(world)


def newest_token(world: World) -> str:
    """The token of the link in the email that came last."""
    found = re.search(r"/activate#(\w+)", body(letters(world)[-1]))
    assert found is not None
    return found[1]


def login_of(world: World, import_id: UUID) -> Login:
    with world.database.read() as tx:
        statement = select(Login).join(Client, Client.login_id == Login.id).where(Client.import_id == import_id)
        return tx.session.execute(statement).scalar_one()


def set_terms(world: World, **new: str) -> None:
    owner = Caller(world.practice_id, world.staff_id, "Kim", Role.OWNER, frozenset(Scope))
    terms.set_terms(world.database, owner, NewTerms(**new))


def use(world: World, token: str, password: str = PASSWORD, *, accepts_terms: bool = True) -> None:
    activation.activate(world.database, token, password, accepts_terms=accepts_terms)


def test_a_live_link_says_whose_it_is_and_activates_once(world: World, simulator: SimulatorHandle) -> None:
    import_id, token = invited(world, simulator)
    shown = activation.look(world.database, token)
    login = login_of(world, import_id)
    assert (shown.state, shown.email, shown.practice_name) == (LinkState.LIVE, login.email, "Harbour Accounting")
    ops.refused(lambda: use(world, token, "short"), "bad_password")
    assert login_of(world, import_id).activated_at is None

    use(world, token)
    login = login_of(world, import_id)
    assert login.activated_at is not None
    assert passwords.fits(login.password_hash, PASSWORD)
    assert ops.history_of(world, "login", login.id)[-1][0] == "login.activate"
    # A second time it neither sets another password nor says whose it was
    ops.refused(lambda: use(world, token, "another password altogether"), "link_used")
    assert login_of(world, import_id).password_hash == login.password_hash
    assert activation.look(world.database, token) == activation.Link(LinkState.USED)


def test_two_who_use_a_link_at_once(world: World, simulator: SimulatorHandle) -> None:
    import_id, token = invited(world, simulator)
    tries = [f"the password of browser {number}" for number in range(2)]
    came = at_once(*(partial(use, world, token, password) for password in tries))
    refusals = [one for one in came if isinstance(one, RequestRefused)]
    assert [refusal.code for refusal in refusals] == ["link_used"]
    winner = tries[[one is None for one in came].index(True)]
    assert passwords.fits(login_of(world, import_id).password_hash, winner)


def test_a_link_is_taken_once_and_a_login_activated_once(world: World, simulator: SimulatorHandle) -> None:
    """Whatever was looked at before: this is what decides."""
    import_id, token = invited(world, simulator)
    login_id = login_of(world, import_id).id
    with world.database.write() as tx:
        assert activations.use_link(tx, hashed(token))
        assert not activations.use_link(tx, hashed(token))
        assert activations.activate(tx, login_id, "first")
        assert not activations.activate(tx, login_id, "second")
    assert login_of(world, import_id).password_hash == "first"


@pytest.mark.parametrize("ended_by", ["age", "a newer email", "a change of the login"])
def test_a_link_that_has_ended(sqlite_world: World, simulator: SimulatorHandle, ended_by: str) -> None:
    world = sqlite_world
    if ended_by == "a change of the login":
        import_id, _ = ops.unknown_email(world, simulator, delivered=True)
    else:
        import_id, _ = invited(world, simulator)
    token, act = newest_token(world), ops.operator(world)
    match ended_by:
        case "age":
            world.pass_time(DAYS_30 + 1)
        case "a newer email":
            world.pass_time(DAYS_30 + 1)
            resend(world.database, act, ops.email_of(world, import_id).id)
            world.run_due()
            assert activation.look(world.database, newest_token(world)).state is LinkState.LIVE
        case _:
            amend(world.database, act, import_id, {"email": "other@moss.example"})
    ops.refused(lambda: use(world, token), "link_ended")
    assert activation.look(world.database, token) == activation.Link(LinkState.ENDED)
    assert login_of(world, import_id).activated_at is None


def test_what_was_never_a_link(sqlite_world: World) -> None:
    ops.refused(lambda: use(sqlite_world, "0" * 64), "link_ended")
    assert activation.look(sqlite_world.database, "0" * 64).state is LinkState.ENDED


def test_a_password_like_the_client_or_their_firm_is_refused(sqlite_world: World, simulator: SimulatorHandle) -> None:
    _, token = invited(sqlite_world, simulator)
    for password in ("Harbour2026!!", "aaaaaaaaaaaa"):
        ops.refused(partial(use, sqlite_world, token, password), "bad_password")


def test_the_terms_that_were_shown_are_accepted_and_on_record(sqlite_world: World, simulator: SimulatorHandle) -> None:
    world = sqlite_world
    import_id, token = invited(world, simulator)
    assert activation.look(world.database, token).terms is None
    set_terms(world, text="Be kind.")
    shown = activation.look(world.database, token).terms
    assert shown is not None
    ops.refused(lambda: use(world, token, accepts_terms=False), "terms_not_accepted")
    set_terms(world, url="https://harbour.example/terms")
    new = activation.look(world.database, token).terms
    assert (new and new.url) == "https://harbour.example/terms"

    def accept(terms_id: UUID) -> UUID:
        return activation.activate(world.database, token, PASSWORD, accepts_terms=True, terms_id=terms_id)

    ops.refused(lambda: accept(shown.id), "terms_changed")
    assert new is not None
    login_id = accept(new.id)
    set_terms(world)  # from now on there are none
    with world.database.read() as tx:
        found = stored_terms.accepted(tx, login_id)
    assert found is not None
    assert (found[0].id, login_of(world, import_id).id) == (new.id, login_id)
