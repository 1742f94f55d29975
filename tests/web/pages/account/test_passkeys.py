"""Passkeys: good in place of a code or of an app, each answer once and from its own device only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pytest
from sqlalchemy import select

from handlers import refusals
from handlers.access.confirmation import SECONDS as CONFIRMED_SECONDS
from handlers.access.passkeys import SECONDS
from handlers.access.second_factor import RECOVERY_CODES
from portal_db.tables import Passkey
from tests.web.desk import Desk, Person, serving
from tests.web.pages.account.codes import CODE, SET_UP, Phone, enrolled, password_given, recovery_codes
from tests.web.pages.account.security_key import SecurityKey
from tests.web.pages.frame.test_frame import keeps_the_rules
from tests.web.pages.reading import Page, Reader
from tests.world import World

OWN, ADD, USE, FIRST = "/account/second-factor", "/account/passkeys", "/sign-in/passkey", f"{SET_UP}/passkey"


@pytest.fixture(autouse=True)
def _second_factors_are_given() -> None:
    """Here they are asked for."""


@pytest.fixture
def desk(sqlite_world: World, redis_url: str) -> Iterator[Desk]:
    """A portal whose address is a name: browsers make no passkeys for a number."""
    with serving(sqlite_world, redis_url, host="localhost") as made:
        yield made


@dataclass
class Owner:
    """Somebody with a passkey, and their browser at which they are signed in."""

    person: Person
    visitor: Reader
    key: SecurityKey


def new_key(desk: Desk) -> SecurityKey:
    return SecurityKey(desk.url, "localhost")


def asked(visitor: Reader, page: Page, action: str) -> dict[str, Any]:
    """The challenge that the script would fetch with the form."""
    found: dict[str, Any] = visitor.browser.post(f"{action}/options", data=page.form(action)).json()
    return found


def added(visitor: Reader, key: SecurityKey) -> Page:
    page = visitor.open(OWN)
    return visitor.send(page, ADD, name="Work laptop", answer=key.create(asked(visitor, page, ADD)))


def owner(desk: Desk) -> Owner:
    person, key = desk.staff(), new_key(desk)
    visitor, _ = enrolled(desk, person)
    assert "The passkey is added." in added(visitor, key).text
    return Owner(person, visitor, key)


def tries(desk: Desk, person: Person, answer: Callable[[dict[str, Any]], str]) -> Page:
    """Signs in with a password and this answer to the challenge."""
    visitor, step = password_given(desk, person)
    return visitor.send(step, USE, answer=answer(asked(visitor, step, USE)))


def test_a_passkey_is_added_signs_in_in_place_of_a_code_and_is_removed(desk: Desk) -> None:
    its = owner(desk)
    page = keeps_the_rules(its.visitor.open(OWN))
    assert "Work laptop" in page.text
    # When they sign in, the key signs what the site asked
    assert keeps_the_rules(tries(desk, its.person, its.key.get)).path == "/clients"
    assert tries(desk, its.person, its.key.get).path == "/clients"
    # When they remove it, it is worth nothing
    with desk.world.database.read() as tx:
        passkey_id = tx.session.scalars(select(Passkey.id)).one()
    stranger, _ = enrolled(desk, desk.staff())
    token = {"csrf_token": stranger.open("/clients").form("/sign-out")["csrf_token"]}
    stranger.post(f"{ADD}/{passkey_id}/remove", token)
    assert "Work laptop" in its.visitor.open(OWN).text  # it is not a stranger's
    gone = its.visitor.send(its.visitor.open(OWN), f"{ADD}/{passkey_id}/remove")
    assert "The passkey is removed." in gone.text
    step = password_given(desk, its.person)[1]
    assert (step.path, USE in [form["action"] for form in step.main.all("form")]) == (CODE, False)


def of_another_challenge(its: Owner, given: dict[str, Any]) -> str:
    return its.key.get({**given, "challenge": "YW4gZWFybGllciBvbmU"})


def of_a_device_that_was_not_unlocked(its: Owner, given: dict[str, Any]) -> str:
    return replace(its.key, unlocked=False).get(given)


def of_another_site(its: Owner, given: dict[str, Any]) -> str:
    return replace(its.key, origin="https://evil.example").get(given)


def of_another_key_of_the_same_name(its: Owner, given: dict[str, Any]) -> str:
    return SecurityKey(its.key.origin, its.key.host, id=its.key.id).get(given)


def of_a_key_that_nobody_added(its: Owner, given: dict[str, Any]) -> str:
    return SecurityKey(its.key.origin, its.key.host).get(given)


def nonsense(_: Owner, __: dict[str, Any]) -> str:
    return '{"rawId": 1}'


WRONG = (of_another_challenge, of_a_device_that_was_not_unlocked, of_another_site, of_another_key_of_the_same_name,
         of_a_key_that_nobody_added, nonsense)  # fmt: skip


@pytest.mark.parametrize("answer", WRONG, ids=lambda each: each.__name__)
def test_what_is_no_proof_is_refused(desk: Desk, answer: Callable[[Owner, dict[str, Any]], str]) -> None:
    its = owner(desk)
    page = keeps_the_rules(tries(desk, its.person, partial(answer, its)))
    assert (page.status, refusals.BAD_PASSKEY.message in page.text) == (401, True)


def test_a_copy_of_a_key_is_noticed_by_its_count(desk: Desk) -> None:
    its = owner(desk)
    copy = replace(its.key)
    assert tries(desk, its.person, its.key.get).path == "/clients"
    assert tries(desk, its.person, its.key.get).path == "/clients"
    assert tries(desk, its.person, copy.get).status == 401


def test_a_challenge_is_good_once_for_its_account_and_not_for_long(desk: Desk) -> None:
    its, other = owner(desk), owner(desk)
    visitor, step = password_given(desk, its.person)
    given = asked(visitor, step, USE)
    answer = replace(its.key, counts=False).get(given)
    # Somebody else's answer does not fit, and uses the challenge up
    assert visitor.send(step, USE, answer=other.key.get(given)).status == 401
    assert visitor.send(step, USE, answer=answer).status == 401
    # An answer that was accepted is not accepted again, by a key that does not count either
    answer = replace(its.key, counts=False).get(asked(visitor, step, USE))
    assert visitor.send(step, USE, answer=answer).path == "/clients"
    visitor, step = password_given(desk, its.person)
    assert visitor.send(step, USE, answer=answer).status == 401
    late = its.key.get(asked(visitor, step, USE))
    desk.world.pass_time(SECONDS + 1)
    assert visitor.send(step, USE, answer=late).status == 401


def test_a_passkey_is_added_only_unlocked_and_once(desk: Desk) -> None:
    its = owner(desk)
    assert added(its.visitor, its.key).status == 401  # some account has it
    locked = SecurityKey(desk.url, "localhost", unlocked=False)
    assert added(its.visitor, locked).status == 401


def test_at_an_address_that_is_a_number_passkeys_are_not_offered(sqlite_world: World, redis_url: str) -> None:
    with serving(sqlite_world, redis_url) as desk:
        visitor, _ = enrolled(desk, desk.staff())
        assert "Add a passkey" not in visitor.open(OWN).answer.text


def owner_without_app(desk: Desk) -> tuple[Owner, list[str]]:
    """Somebody who set their second factor up by a passkey alone when they signed in, and their recovery codes."""
    person, key = desk.staff(), new_key(desk)
    visitor, page = password_given(desk, person)
    assert page.path == SET_UP
    shown = visitor.send(keeps_the_rules(page), FIRST, name="Phone", answer=key.create(asked(visitor, page, FIRST)))
    return Owner(person, visitor, key), recovery_codes(keeps_the_rules(shown))


def test_a_passkey_alone_is_a_second_factor(desk: Desk) -> None:
    its, codes = owner_without_app(desk)
    assert len(codes) == RECOVERY_CODES
    assert keeps_the_rules(its.visitor.open("/clients")).path == "/clients"
    # Then the passkey is asked for at each sign-in, and signs in; so does a recovery code, and no app's code
    step = keeps_the_rules(password_given(desk, its.person)[1])
    assert (step.path, step.heading) == (CODE, "Use your passkey")
    assert tries(desk, its.person, its.key.get).path == "/clients"
    visitor, step = password_given(desk, its.person)
    assert visitor.send(step, CODE, code="123456").status == 401
    assert visitor.send(step, CODE, code=codes[0]).path == "/clients"
    # And it is not taken away while it is all there is
    with desk.world.database.read() as tx:
        passkey_id = tx.session.scalars(select(Passkey.id)).one()
    kept = its.visitor.send(its.visitor.open(OWN), f"{ADD}/{passkey_id}/remove")
    assert (kept.status, refusals.ONLY_SECOND_FACTOR.message in keeps_the_rules(kept).text) == (409, True)
    assert tries(desk, its.person, its.key.get).path == "/clients"


def test_who_knows_only_the_password_adds_no_passkey_and_no_app(desk: Desk) -> None:
    """Two sign-ins were begun before the second factor was set up; the second one's is worth nothing."""
    person, key = desk.staff(), new_key(desk)
    visitor, page = password_given(desk, person)
    thief, his = password_given(desk, person)
    visitor.send(page, FIRST, name="Phone", answer=key.create(asked(visitor, page, FIRST)))
    stolen = new_key(desk)
    assert thief.send(his, FIRST, name="Mine", answer=stolen.create(asked(thief, his, FIRST))).path == "/sign-in"
    assert thief.send(his, SET_UP, code=Phone.scanning(his).code()).path == "/sign-in"
    assert tries(desk, person, key.get).path == "/clients"
    assert tries(desk, person, stolen.get).status == 401


def test_a_passkey_confirms_an_act_and_its_answer_is_good_for_that_only(desk: Desk) -> None:
    its = owner(desk)
    desk.world.pass_time(CONFIRMED_SECONDS + 1)
    page = keeps_the_rules(its.visitor.open(OWN))
    assert page.path == "/confirm"
    # Given an answer that a sign-in in another browser asked for later, nothing is confirmed
    asked(its.visitor, page, "/confirm/passkey")
    visitor, step = password_given(desk, its.person)
    answer = its.key.get(asked(visitor, step, USE))
    assert its.visitor.send(page, "/confirm/passkey", answer=answer).status == 401
    assert its.visitor.open(OWN).path == "/confirm"
    # When the challenge is signed that was asked for this, they are back where they were
    answer = its.key.get(asked(its.visitor, page, "/confirm/passkey"))
    assert its.visitor.send(page, "/confirm/passkey", answer=answer).path == OWN
