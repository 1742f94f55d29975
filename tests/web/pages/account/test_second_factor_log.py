"""What the sign-in log has of the second factor."""

from __future__ import annotations

import pytest

from handlers.access.second_factor import MOST_TRIES
from portal_db.states import Role
from tests.web.desk import Desk
from tests.web.http.test_sign_in_log import events, logged
from tests.web.pages.account.codes import CODE, enrolled, password_given


@pytest.fixture(autouse=True)
def _second_factors_are_given() -> None:
    """Here they are asked for."""


def test_the_second_factor_is_logged_when_it_is_set_up_wrong_and_reset(desk: Desk) -> None:
    person, owner = desk.staff(), desk.staff(Role.OWNER)
    _, phone = enrolled(desk, person)
    visitor, page = password_given(desk, person)
    for _ in range(MOST_TRIES + 3):
        visitor.send(page, CODE, code=phone.wrong())
    colleague, _ = enrolled(desk, owner)
    page = colleague.open(f"/admin/staff/{person.staff_id}")
    colleague.send(page, f"/admin/staff/{person.staff_id}/mfa")
    # Wrong codes are in the log as long as they are judged at all
    wrong = ["second_factor_failed"] * MOST_TRIES
    assert events(desk, person)[1:] == ["second_factor_set_up", "signed_in", *wrong, "second_factor_reset"]


def test_a_sign_in_is_logged_with_the_factors_that_were_given(desk: Desk) -> None:
    person = desk.staff()
    _, phone = enrolled(desk, person)
    visitor, page = password_given(desk, person)
    visitor.send(page, CODE, code=phone.recovery[0])
    visitor, page = password_given(desk, person)
    visitor.send(page, CODE, code=phone.code(later=1))
    found = [each["detail"] for each in logged(desk, person) if each["event"] == "signed_in"]
    assert found == ["password, app", "password, recovery code", "password, app"]
