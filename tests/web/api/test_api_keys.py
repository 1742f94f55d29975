"""API keys: what they are good for, for how long, and on whose behalf."""

from __future__ import annotations

from uuid import uuid4

from handlers.access.api_keys import OVERLAP_SECONDS
from handlers.access.caller import Scope
from portal_db.states import Role
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
