"""Every page of staff on a phone, in light and in dark: it fits, and axe finds nothing grave."""

from __future__ import annotations

from uuid import uuid4

import pytest
from playwright.sync_api import Browser, expect

from portal_db.states import Role
from tests.e2e.browser import signed_in
from tests.handlers.given import find
from tests.making import Account, co_owner, importable
from tests.web.desk import Desk
from tests.web.pages.client_side.given import a_task
from tests.web.pages.people import imported
from tests.world import is_importable_person
from xpm.simulator.serve import SimulatorHandle

OF_PARTNER = (
    *("/clients", "/clients/add/xpm?q=an", "/search?q=an&xpm=yes", "/needs-me", "/review", "/integration-progress"),
    *("/batches/new", "/configure/integrations", "/account/password", "/account/sessions", "/account/second-factor"),
)
OF_CLIENT = ("", "/edit", "/review", "/import-items", "/disconnect", "/invite", "/tasks/new")
OF_OWNER = ("firm", "staff", "staff/invite", "security", "security/sign-ins", "terms", "api-keys", "webhooks", "audit")


@pytest.mark.parametrize("role", [Role.PARTNER, Role.OWNER])
def test_every_page_fits_a_phone(browser: Browser, desk: Desk, simulator: SimulatorHandle, role: Role) -> None:
    world = desk.world
    person = find(simulator, lambda each: is_importable_person(each) and bool(each.relationships))
    client_id = imported(desk, person.uuid, name="Bartholomew Featherstonehaugh-Cholmondeley of Wollongong")
    member_id, _ = co_owner(world.database, Account(world.practice_id, client_id, uuid4(), ""))
    a_task(desk, desk.partner, client_id, "Sign the letter of engagement and send it back")
    failed = world.run_import(uuid4(), name="Nobody There").id
    rows = [world.request(each.uuid) for each in importable(simulator)[-2:]]
    world.ask_batch(rows)
    batch_id = world.import_row(world.ask_batch(rows)[0]).batch_id
    world.run_due()
    pages = [f"/admin/{name}" for name in OF_OWNER]
    if role is Role.PARTNER:
        pages = [*OF_PARTNER, *(f"/clients/{client_id}{path}" for path in OF_CLIENT), f"/imports/{failed}"]
        pages += [f"/clients/{client_id}/team/{member_id}/invite", f"/batches/{batch_id}"]
    who = desk.staff(Role.OWNER) if role is Role.OWNER else None
    with signed_in(browser, desk, who, width=390, dark=True) as phone:
        for path in pages:
            phone.go(path)
            expect(phone.page.get_by_role("heading", level=1)).to_be_visible()
            phone.fits()
            phone.is_sound()
