"""An authenticator app is set up once, by whoever was shown its secret; another takes its place only for who has proved to
have the first."""

from __future__ import annotations

import pyotp
import pytest
from sqlalchemy import select

from handlers.access import second_factor
from handlers.errors import RequestRefused
from portal_db.tables import Staff
from tests.world import World


def set_up(world: World, *, replacing: bool) -> list[str]:
    """The recovery codes of an account that sets up an app."""
    settings = world.services.settings
    with world.database.write() as tx:
        login_id = tx.session.scalars(select(Staff.login_id).where(Staff.id == world.staff_id)).one()
        app = second_factor.app_to_set_up(settings, login_id, None, name="Kim", issuer="Portal")
        code = pyotp.TOTP(app.key.replace(" ", "")).now()
        return second_factor.set_up(tx, settings, login_id, app.sealed, code, replacing=replacing)


def test_an_app_takes_the_place_of_another_only_for_who_has_that(world: World) -> None:
    first = set_up(world, replacing=False)
    with pytest.raises(RequestRefused) as refused:
        set_up(world, replacing=False)
    assert refused.value.code == "second_factor_set_up"
    assert set(first).isdisjoint(set_up(world, replacing=True))
