"""Admin settings > API keys, Webhooks and Audit, for owners and account admins."""

from __future__ import annotations

import csv
import io
from uuid import UUID

import pytest

from handlers.operations.housekeeping import keep_house
from portal_db import webhooks
from portal_db.states import Role
from portal_db.tables import WebhookEndpoint
from tests.web.desk import API, Desk
from tests.web.pages.frame.test_frame import keeps_the_rules
from tests.web.pages.reading import Page, Reader, reader

KEYS, HOOKS, AUDIT = "/admin/api-keys", "/admin/webhooks", "/admin/audit"


def secret_of(page: Page) -> str:
    assert "shown only once" in keeps_the_rules(page).text
    return next(page.main.all("code")).text


def acts(page: Page) -> list[str]:
    """The lines of the audit, each as it reads."""
    return [row.text for row in list(page.main.all("tr"))[1:]]


def made_key(visitor: Reader, **typed: str) -> Page:
    page = keeps_the_rules(visitor.open(f"{KEYS}/new"))
    return visitor.send(page, f"{KEYS}/new", **{"name": "Practice ledger", "read": "yes", **typed})


def test_a_key_is_made_replaced_and_revoked(desk: Desk) -> None:
    owner = desk.staff(Role.OWNER)
    visitor = reader(desk, owner)
    refused = keeps_the_rules(made_key(visitor, days="soon"))
    assert (set(refused.faults()), refused.form(f"{KEYS}/new")["name"]) == ({"days"}, "Practice ledger")
    secret = secret_of(made_key(visitor))

    def works(key: str) -> bool:
        headers = {"Authorization": f"Bearer {key}", "X-Staff-Id": str(owner.staff_id)}
        return desk.browser(headers=headers).get(f"{API}/clients").status_code == 200

    assert works(secret)
    page = keeps_the_rules(visitor.open(KEYS))
    assert "Practice ledger" in page.text
    assert secret not in page.answer.text
    rotation = next(form["action"] for form in page.main.all("form") if form["action"].endswith("/rotation"))
    new = secret_of(visitor.send(page, rotation))
    assert (works(secret), works(new)) == (True, True)
    page = visitor.open(KEYS)
    for action in [form["action"] for form in page.main.all("form") if form["action"].endswith("/revocation")]:
        assert "stopped working" in visitor.send(page, action).text
    assert (works(secret), works(new)) == (False, False)


def test_a_webhook_is_added_tested_disabled_and_removed(desk: Desk) -> None:
    visitor = reader(desk, desk.staff(Role.ACCOUNT_ADMIN))
    new = keeps_the_rules(visitor.open(f"{HOOKS}/new"))
    assert visitor.send(new, f"{HOOKS}/new", url="ftp://x.example").faults().keys() == {"url"}
    added = visitor.send(new, f"{HOOKS}/new", url="http://127.0.0.1:9/portal")
    assert secret_of(added).startswith("whsec_")
    path = added.links()["I have saved it"]
    before = visitor.open(path)
    visitor.send(before, f"{path}/test")
    assert "A test is being sent." in keeps_the_rules(visitor.open(path)).text
    again = keeps_the_rules(visitor.send(before, f"{path}/test"))  # from a page that was open already
    assert "The last test of this webhook has not ended yet." in again.text
    desk.world.run_due(limit=5)
    page = keeps_the_rules(visitor.open(path))
    assert "Failed" in page.text
    assert "The endpoint could not be reached" in page.text
    assert "A test is not retried." in page.text
    assert "Disabled" in keeps_the_rules(visitor.send(page, f"{path}/disabling")).text
    assert secret_of(visitor.send(visitor.open(path), f"{path}/rotation")).startswith("whsec_")
    assert "No webhooks" in keeps_the_rules(visitor.send(visitor.open(path), f"{path}/removal")).text
    assert visitor.open(path).status == 404


def test_the_page_and_the_api_say_that_a_webhook_is_slow_and_has_an_open_test(desk: Desk) -> None:
    owner = desk.staff(Role.OWNER)
    program, visitor = desk.program(owner), reader(desk, owner)
    webhook_id = program.post(f"{API}/webhooks", json={"url": "http://127.0.0.1:9/portal"}).json()["id"]
    with desk.world.database.write() as tx:
        row = tx.get(WebhookEndpoint, UUID(webhook_id))
        assert row is not None
        webhooks.note_slow_success(tx, row, rest_seconds=60)
    page = keeps_the_rules(visitor.open(f"{HOOKS}/{webhook_id}"))
    assert "Slow" in keeps_the_rules(visitor.open(HOOKS)).text
    assert "has taken 5 seconds or longer" in page.text
    [shown] = program.get(f"{API}/webhooks").json()
    assert shown["failing_since"] is None
    assert shown["slow_since"] < shown["resting_until"]
    answers = [program.post(f"{API}/webhooks/{webhook_id}/test") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 409]
    assert answers[1].json()["code"] == "webhook_test_open"


def test_the_audit_says_who_did_what_when_and_from_where(any_desk: Desk) -> None:
    desk, owner = any_desk, any_desk.staff(Role.OWNER)
    visitor, client_id = reader(desk, owner), desk.entity(any_desk.partner, "Reef Trust")
    made_key(visitor)
    token = {"csrf_token": visitor.open(AUDIT).form("/sign-out")["csrf_token"]}
    visitor.post(f"/clients/{client_id}/assignees", {**token, "colleague": str(owner.staff_id)})
    # A program's act names its key, too
    desk.program(owner).post(f"{API}/api-keys", json={"name": "By a program", "scopes": ["read"]})
    # Given what happened at another practice
    made_key(reader(desk, desk.other_practice()))
    page = keeps_the_rules(visitor.open(AUDIT))
    program, by_hand, assigned, made, *_ = acts(page)
    assert "with the API key test" in program
    assert "Support" in by_hand
    assert assigned.startswith("Assigned a client Reef Trust A owner A owner")
    assert made.startswith("Made an API key Practice ledger read A owner")
    assert made.endswith("127.0.0.1")
    assert len([line for line in acts(page) if line.startswith("Made an API key")]) == 3
    # The filters narrow it, also in the file
    assert acts(visitor.open(AUDIT, area="client")) == [assigned]
    assert acts(visitor.open(AUDIT, who=str(desk.partner.staff_id))) == []
    assert acts(visitor.open(AUDIT, until="2020-01-01")) == []
    assert len(acts(visitor.open(AUDIT, since="2020-01-01", until="2199-12-31"))) == len(acts(page))
    rows = list(csv.reader(io.StringIO(visitor.browser.get(f"{AUDIT}.csv?area=client").text)))
    assert [row[1:6] for row in rows[1:]] == [["A owner", "", "Assigned a client", "Reef Trust", "A owner"]]
    # After a year nothing says from where
    settings = desk.world.services.settings
    desk.world.pass_time((settings.keep_audit_days + 1) * 86_400)
    keep_house(desk.world.database, settings)
    assert desk.world.scalar("SELECT count(*) FROM audit WHERE address IS NOT NULL") == 0
    assert desk.world.scalar("SELECT count(*) FROM audit WHERE action = 'api_key.add'") == 4


@pytest.mark.parametrize("path", [KEYS, f"{KEYS}/new", HOOKS, f"{HOOKS}/new", AUDIT, f"{AUDIT}.csv"])
def test_other_roles_are_told_who_may(desk: Desk, path: str) -> None:
    visitor = reader(desk, desk.staff(Role.PARTNER))
    page = visitor.open(path)
    assert (page.status, "Only owners and account admins can do this." in page.text) == (403, True)
