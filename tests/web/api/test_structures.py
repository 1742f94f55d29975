"""A practice's words for business structures over HTTP: who may look, who may change them, and only their own."""

from __future__ import annotations

from portal_db import audit
from portal_db.states import Role
from tests.web.desk import API, Desk


def test_over_http_who_imports_looks_and_owners_and_account_admins_change(desk: Desk) -> None:
    path, body = f"{API}/integrations/xpm/structures", {"structure": "Club", "kind": "entity", "entity_type": "Other"}
    partner, basic, owner = desk.program(), desk.program(desk.staff(Role.BASIC)), desk.program(desk.staff(Role.OWNER))
    assert (partner.put(path, json=body).status_code, basic.get(path).status_code) == (403, 403)
    assert owner.put(path, json=body).json() == {
        "structure": "Club", "records": 0, "kinds": ["entity"], "entity_type": "Other", "is_set": True
    }  # fmt: skip
    assert [item["structure"] for item in partner.get(path).json()] == ["Club"]
    assert owner.put(path, json={**body, "entity_type": None}).status_code == 422
    assert desk.program(desk.other_practice()).get(path).json() == []
    assert partner.delete(path, params={"structure": "club"}).status_code == 403
    assert owner.delete(path, params={"structure": "club"}).status_code == 204
    assert owner.delete(path, params={"structure": "club"}).status_code == 404
    with desk.world.database.read() as tx:
        entries = audit.of_subject(tx, "practice", desk.world.practice_id)
    assert [entry.action for entry in entries if entry.action.startswith("structure")] == [
        "structure.explain", "structure.forget"
    ]  # fmt: skip
