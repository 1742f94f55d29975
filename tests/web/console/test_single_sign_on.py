"""Operators sign in and confirm at their organisation's OpenID provider: a real one, on this machine."""

from __future__ import annotations

import time
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import SecretStr

from config.settings import SettingsError
from handlers.access import operators
from handlers.access.practices import add_operator
from portal_db.states import OperatorRole
from tests.web.console.desk import OpsDesk, serving
from tests.web.console.provider import EMAIL, Organisation, trusted
from tests.world import World

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the provider's


@pytest.fixture
def organisation(sqlite_world: World, redis_url: str) -> Iterator[Organisation]:
    with trusted(sqlite_world, redis_url) as made:
        yield made


@pytest.fixture
def operator(organisation: Organisation) -> None:
    """Olu, who has neither password nor second factor here."""
    add_operator(organisation.desk.world.database, "Olu Ops", EMAIL, OperatorRole.OPERATOR)


@pytest.mark.usefixtures("operator")
def test_an_operator_signs_in_at_their_organisation(organisation: Organisation) -> None:
    organisation.knows()
    reader = organisation.desk.browser()
    # The page of sign-in offers it, and leads back to where the operator wanted to go
    page = reader.open("/sign-in", next="/audit")
    path = page.links()["Sign in with single sign-on"]
    address = organisation.at_provider(reader, path)
    asked = parse_qs(urlsplit(address).query)
    assert asked["scope"] == ["openid email"]
    assert asked["code_challenge_method"] == ["S256"]
    page = reader.open(organisation.back(address))
    # The page that the provider leads to goes on by itself
    [refresh] = [meta["content"] for meta in page.root.all("meta") if meta["http-equiv"] == "refresh"]
    assert refresh.endswith(page.links()["Go on"])
    page = reader.open(page.links()["Go on"])
    assert page.path == "/audit"
    assert "Olu Ops" in page.text
    # The trail says by which way
    assert (
        organisation.desk.world.scalar("SELECT after FROM audit WHERE action = 'operator.sign_in'") == "single_sign_on"
    )


def test_who_is_no_operator_is_told_so(organisation: Organisation) -> None:
    organisation.knows("stranger@platform.example")
    page = organisation.through(organisation.desk.browser())
    assert "No operator has the email" in page.text
    assert "stranger" not in page.text


@pytest.mark.usefixtures("operator")
@pytest.mark.parametrize("claims", [{"email_verified": False}, {"email": None}], ids=["not verified", "no email"])
def test_an_email_that_the_provider_does_not_vouch_for_signs_nobody_in(
    organisation: Organisation, claims: dict[str, object]
) -> None:
    organisation.knows(**claims)  # type: ignore[arg-type]
    reader = organisation.desk.browser()
    assert "doesn't vouch for you (email_not_verified)" in organisation.through(reader).text
    assert reader.open("/").path == "/sign-in"


def test_an_operators_account_there_is_theirs_whatever_becomes_of_the_address(organisation: Organisation) -> None:
    database = organisation.desk.world.database
    operator_id = add_operator(database, "Olu Ops", EMAIL, OperatorRole.OPERATOR)
    organisation.knows()
    assert organisation.through(organisation.desk.browser()).path == "/"
    # Given that their address has changed there
    organisation.knows("olu.new@platform.example")
    assert "Olu Ops" in organisation.through(organisation.desk.browser()).text
    # When somebody new has got it, they are not Olu
    organisation.knows(EMAIL, "new")
    page = organisation.through(organisation.desk.browser(), account="new")
    assert "has signed in with another account" in page.text
    # Unless a colleague says that it is the same person, or Olu has left and they are an operator too
    operators.reset_second_factor(database, operator_id)
    assert organisation.through(organisation.desk.browser(), account="new").path == "/"
    operators.leave(database, operator_id)
    assert "No operator has the email" in organisation.through(organisation.desk.browser(), account="new").text


@pytest.mark.usefixtures("operator")
def test_only_the_browser_that_began_a_sign_in_ends_it_and_once(organisation: Organisation) -> None:
    organisation.knows()
    victim, other = organisation.desk.browser(), organisation.desk.browser()
    # Given a sign-in that another browser began, or that nobody did
    ended = organisation.back(organisation.at_provider(other)).replace("/back", "/finish")
    assert "This sign-in took too long" in victim.open(ended).text
    organisation.at_provider(victim)
    assert "This sign-in took too long" in victim.open(ended).text
    # The first browser's own works, once
    assert other.open(ended).path == "/"
    page = other.open(ended)
    assert "This sign-in took too long" in page.text


def test_who_turns_back_at_the_provider_reads_why(organisation: Organisation) -> None:
    organisation.knows()
    reader = organisation.desk.browser()
    page = reader.open(organisation.back(organisation.at_provider(reader), "deny"))
    assert "doesn't vouch for you (access_denied)" in page.text
    # Nothing that anybody writes into the address is repeated
    page = reader.open("/sign-in/sso/back", error="<script>Call 555-1234")
    assert "(unknown)" in page.text
    assert "555" not in page.text


@pytest.mark.usefixtures("operator")
def test_confirming_there_counts_as_a_code_for_a_while(organisation: Organisation) -> None:
    # Given an operator whom the provider has known since yesterday
    organisation.knows(auth_time=int(time.time()) - 86_400)
    reader = organisation.desk.browser()
    organisation.through(reader)
    # A confirmation asks for the password again
    confirm = "/sign-in/sso?confirm=1&next=/schedules"
    asked = parse_qs(urlsplit(organisation.at_provider(reader, confirm)).query)
    assert (asked["prompt"], asked["max_age"]) == (["login"], ["0"])
    assert "somebody else, or didn't ask you" in organisation.through(reader, confirm).text
    assert not _is_fresh(organisation)
    # Nor does another account's count
    organisation.knows("bo@platform.example", "bo", auth_time=int(time.time()))
    add_operator(organisation.desk.world.database, "Bo", "bo@platform.example", OperatorRole.ADMIN)
    organisation.through(organisation.desk.browser(), account="bo")
    assert "somebody else, or didn't ask you" in organisation.through(reader, confirm, account="bo").text
    assert not _is_fresh(organisation)
    # Their own does, if they gave their password just now
    organisation.knows(auth_time=int(time.time()))
    assert organisation.through(reader, confirm).path == "/schedules"
    assert _is_fresh(organisation)


def test_an_act_that_needs_a_code_offers_to_confirm_there(organisation: Organisation) -> None:
    # Given an admin who signed in with what the provider remembered
    add_operator(organisation.desk.world.database, "Olu Ops", EMAIL, OperatorRole.ADMIN)
    organisation.knows(auth_time=int(time.time()) - 86_400)
    reader = organisation.desk.browser()
    organisation.through(reader)
    # When they are asked for a code, they confirm at the provider instead
    page = reader.open("/system")
    assert "all-code" in page.labels().values()
    organisation.knows(auth_time=int(time.time()))
    page = organisation.through(reader, page.links()["Confirm with single sign-on"])
    # Then they are back, and no code is asked for
    assert page.path == "/system"
    assert "all-code" not in page.labels().values()


def _is_fresh(organisation: Organisation) -> bool:
    """Whether Olu has confirmed just now."""
    fresh = """
        SELECT count(*) FROM operator_sessions s JOIN operators o ON o.id = s.operator_id
        WHERE o.name = 'Olu Ops' AND s.confirmed_at > datetime('now', '-5 minutes')"""
    return bool(organisation.desk.world.scalar(fresh))


def test_a_provider_that_is_away_leaves_the_password(organisation: Organisation) -> None:
    console = organisation.desk.app.state.portal
    assert console.single_sign_on is not None
    console.single_sign_on._issuer = "http://localhost:9"  # where nobody listens
    page = organisation.desk.browser().open("/sign-in/sso")
    assert "can't be used now" in page.text
    assert page.form("/sign-in")["email"] == ""


def test_without_a_provider_nothing_is_offered(ops_desk: OpsDesk) -> None:
    reader = ops_desk.browser()
    assert "single sign-on" not in reader.open("/sign-in").text
    assert [reader.open(f"/sign-in/sso{rest}").path for rest in ("", "/finish")] == ["/sign-in", "/sign-in"]


@pytest.mark.parametrize("lacks", ["ops_oidc_client_id", "ops_oidc_client_secret"])
def test_half_of_its_settings_are_refused(sqlite_world: World, redis_url: str, lacks: str) -> None:
    given: dict[str, object] = {
        "ops_oidc_issuer": "https://id.example",
        "ops_oidc_client_id": "c",
        "ops_oidc_client_secret": SecretStr("s"),
    }
    given[lacks] = SecretStr("") if lacks.endswith("secret") else ""
    with (
        pytest.raises(SettingsError, match=f"{lacks.upper()} is not set"),
        serving(sqlite_world, redis_url, **given),
    ):
        pass
