"""API keys: what they are good for, for how long, and on whose behalf."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select

from handlers.access import api_keys
from handlers.access.api_keys import OVERLAP_SECONDS
from handlers.access.caller import Scope
from portal_db.states import Role
from portal_db.tables import ApiKey, AuditEntry
from tests.web.desk import API, Desk


def test_a_key_acts_for_the_staff_member_it_names(desk: Desk) -> None:
    basic = desk.staff(Role.BASIC)
    told = desk.program(basic).get(f"{API}/session").json()
    assert (told["staff_id"], told["may"], told["csrf_token"]) == (str(basic.staff_id), ["read"], None)


def test_a_key_needs_a_staff_member_of_its_practice(desk: Desk) -> None:
    program = desk.program()
    for staff_id in (str(desk.other_practice().staff_id), str(uuid4())):
        answer = program.get(f"{API}/session", headers={"X-Staff-Id": staff_id})
        assert (answer.status_code, answer.json()["code"]) == (403, "unknown_staff")
    del program.headers["X-Staff-Id"]
    assert program.get(f"{API}/session").json()["field"] == "X-Staff-Id"


def test_a_scope_bounds_what_the_role_allows(desk: Desk) -> None:
    owner = desk.staff(Role.OWNER)
    refused = desk.program(owner, Scope.READ).get(f"{API}/api-keys")
    assert (refused.status_code, refused.json()["code"]) == (403, "scope_missing")
    assert desk.program(owner, Scope.MANAGE).get(f"{API}/api-keys").status_code == 200


def test_a_rotated_key_works_for_another_day(any_desk: Desk) -> None:
    owner = any_desk.staff(Role.OWNER)
    old = any_desk.program(owner)
    [row] = old.get(f"{API}/api-keys").json()
    made = old.post(f"{API}/api-keys/{row['id']}/rotation").json()
    new = any_desk.browser(headers={"Authorization": f"Bearer {made['secret']}", "X-Staff-Id": str(owner.staff_id)})
    any_desk.world.pass_time(OVERLAP_SECONDS - 60)
    assert [program.get(f"{API}/session").status_code for program in (old, new)] == [200, 200]
    any_desk.world.pass_time(120)
    assert [program.get(f"{API}/session").status_code for program in (old, new)] == [401, 200]


def test_a_revoked_key_is_refused_at_once(any_desk: Desk) -> None:
    program = any_desk.program(any_desk.staff(Role.OWNER))
    [row] = program.get(f"{API}/api-keys").json()
    assert program.delete(f"{API}/api-keys/{row['id']}").status_code == 204
    answer = program.get(f"{API}/session")
    assert (answer.status_code, answer.json()["code"]) == (401, "bad_key")
    assert answer.headers["www-authenticate"] == "Bearer"


def test_a_key_in_the_wrong_place_signs_nobody_in(desk: Desk) -> None:
    key, staff = desk.key_of(desk.partner), str(desk.partner.staff_id)
    for value in ("Bearer", f"Basic {key}", f"Bearer {key}x"):
        answer = desk.browser(headers={"Authorization": value, "X-Staff-Id": staff}).get(f"{API}/session")
        assert answer.status_code == 401, value


def test_what_a_program_does_is_audited_with_its_key(any_desk: Desk) -> None:
    owner = any_desk.staff(Role.OWNER)
    program, browser = any_desk.program(owner), any_desk.signed_in(owner)
    for caller in (program, browser):
        wishes = {"xpm_uuid": str(uuid4()), "kind": "entity"}
        assert caller.post(f"{API}/imports", json=wishes, headers={"Idempotency-Key": str(uuid4())}).status_code == 202
        made = caller.post(f"{API}/api-keys", json={"name": "x", "scopes": ["read"]}).json()["id"]
        assert caller.delete(f"{API}/api-keys/{made}").status_code == 204
    with any_desk.world.database.read() as tx:
        found = tx.session.execute(
            select(AuditEntry.action, ApiKey.name).outerjoin(ApiKey, ApiKey.id == AuditEntry.via_key_id)
            .where(AuditEntry.actor_id == owner.staff_id).order_by(AuditEntry.at, AuditEntry.id)
        ).all()  # fmt: skip
    assert [tuple(row) for row in found if row.action.startswith(("import.", "api_key."))] == [
        ("import.request", "test"),
        ("api_key.add", "test"),
        ("api_key.revoke", "test"),
        ("api_key.add", None),
        ("api_key.revoke", None),
    ]


def test_a_key_shows_who_made_it_and_when_it_was_used_and_ends_when_it_is_to(any_desk: Desk) -> None:
    owner = any_desk.staff(Role.OWNER)
    browser = any_desk.signed_in(owner)
    asked = {"name": "nightly", "scopes": ["read"], "days": 20}
    made = browser.post(f"{API}/api-keys", json=asked).json()
    program = any_desk.browser(headers={"Authorization": f"Bearer {made['secret']}", "X-Staff-Id": str(owner.staff_id)})

    def shown() -> dict[str, Any]:
        return next(row for row in browser.get(f"{API}/api-keys").json() if row["name"] == "nightly")

    assert (shown()["made_by"], shown()["last_used_at"], shown()["is_ending"]) == (str(owner.staff_id), None, False)
    # When it is used, then that is shown
    assert "sunset" not in program.get(f"{API}/session").headers
    first = shown()["last_used_at"]
    assert first is not None
    program.get(f"{API}/session")
    assert shown()["last_used_at"] == first, "not every call causes a write"
    # When less than 14 days are left, then people and programs are warned
    any_desk.world.pass_time(7 * 86_400)
    browser = any_desk.signed_in(owner)
    assert shown()["is_ending"]
    assert parsedate_to_datetime(program.get(f"{API}/session").headers["sunset"]) > datetime.now(UTC)
    # And the one that replaces it lasts as long, while this one ends
    again = browser.post(f"{API}/api-keys/{made['id']}/rotation").json()
    any_desk.world.pass_time(13 * 86_400 + 60)
    assert program.get(f"{API}/session").status_code == 401
    program.headers["Authorization"] = f"Bearer {again['secret']}"
    assert "sunset" in program.get(f"{API}/session").headers
    any_desk.world.pass_time(7 * 86_400)
    assert program.get(f"{API}/session").status_code == 401


def test_every_answer_to_a_key_that_ends_soon_says_so(desk: Desk) -> None:
    # Given a batch, and a key that ends in ten days
    world = desk.world
    batch_id = world.import_row(world.ask_batch([world.request(uuid4())])[0]).batch_id
    secret = api_keys.add(world.database, world.practice_id, "nightly", {Scope.READ}, days=10).secret
    program = desk.browser(headers={"Authorization": f"Bearer {secret}", "X-Staff-Id": str(world.staff_id)})
    # When it is answered with an error, a file or a stream, Then that has the header too
    for path, status in (
        (f"clients/{uuid4()}", 404),
        ("webhooks", 403),
        ("imports?limit=none", 422),
        (f"batches/{batch_id}/result", 200),
        (f"batches/{batch_id}/events", 200),
    ):
        with program.stream("GET", f"{API}/{path}") as answer:
            assert (answer.status_code, "sunset" in answer.headers) == (status, True), path


@pytest.mark.parametrize("days", [0, -1, 3651, 1.5])
def test_a_lifetime_that_does_not_fit_is_refused(desk: Desk, days: float) -> None:
    answer = desk.signed_in(desk.staff(Role.OWNER)).post(
        f"{API}/api-keys", json={"name": "x", "scopes": ["read"], "days": days}
    )
    assert (answer.status_code, answer.json()["field"]) == (422, "days")
