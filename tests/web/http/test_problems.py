"""Every error is a problem with code, message and remedy, and tells nothing of our insides."""

from __future__ import annotations

import httpx
import pytest
from sqlalchemy.exc import OperationalError

from portal_db.states import Role
from tests.web.desk import API, Desk
from web.app import MAX_BODY
from web.http.headers import HEADERS
from web.portal import ThePortal


def is_problem(answer: httpx.Response, status: int, code: str) -> dict[str, object]:
    told: dict[str, object] = answer.json()
    assert (answer.status_code, told["status"], told["code"]) == (status, status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert told["message"]
    return told


def test_addresses_and_methods_that_are_not_there(desk: Desk) -> None:
    browser = desk.browser()
    is_problem(browser.get("/nothing"), 404, "not_found")
    is_problem(browser.get(f"{API}/session/"), 404, "not_found")
    answer = browser.put(f"{API}/session")
    is_problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"]
    is_problem(browser.request("TRACE", f"{API}/session"), 405, "method_not_allowed")


def test_values_that_do_not_fit_are_all_named_and_none_is_repeated(desk: Desk) -> None:
    answer = desk.browser().post(f"{API}/session", json={"email": "", "password": "", "colour": "zyxw"})
    told = is_problem(answer, 422, "bad_request")
    assert {error["field"] for error in answer.json()["errors"]} == {"email", "password", "colour"}
    assert told["field"] in ("email", "password", "colour")
    assert told["remedy"]
    assert "zyxw" not in answer.text


def test_what_is_not_json_is_refused(desk: Desk) -> None:
    headers = {"Content-Type": "application/json"}
    for body in (b"{", b"\xff\xfe", b"[" * 5000, b'{"email": NaN'):
        answer = desk.browser().post(f"{API}/session", content=body, headers=headers)
        assert answer.status_code in (400, 422), body
        assert answer.headers["content-type"] == "application/problem+json"


def test_a_body_that_is_too_large_is_refused_whether_or_not_it_says_so(desk: Desk) -> None:
    big = b'{"email": "' + b"a" * MAX_BODY + b'"}'
    headers = {"Content-Type": "application/json"}
    is_problem(desk.browser().post(f"{API}/session", content=big, headers=headers), 413, "too_large")
    chunks = (big[start : start + 1000] for start in range(0, len(big), 1000))
    is_problem(desk.browser().post(f"{API}/session", content=chunks, headers=headers), 413, "too_large")


def test_an_unforeseen_error_shows_no_stack_trace(desk: Desk) -> None:
    @desk.app.get("/breaks")
    def breaks() -> None:
        raise RuntimeError("secret of the house")

    @desk.app.get("/away")
    def away(_: ThePortal) -> None:
        raise OperationalError("SELECT secret", {}, Exception("secret host"))

    answer = desk.browser().get("/breaks")
    is_problem(answer, 500, "internal")
    gone = desk.browser().get("/away")
    is_problem(gone, 503, "database_away")
    assert gone.headers["retry-after"]
    for text in (answer.text, gone.text):
        assert "secret" not in text
        assert "Traceback" not in text


@pytest.mark.parametrize("path", [f"{API}/session", "/nothing", "/healthz", "/readyz", f"{API}/openapi.json"])
def test_every_answer_carries_the_security_headers(desk: Desk, path: str) -> None:
    answer = desk.browser().get(path)
    for name, value in HEADERS.items():
        assert answer.headers[name] == value
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert "server" not in answer.headers


def test_an_unforeseen_error_carries_them_too(desk: Desk) -> None:
    @desk.app.get("/breaks")
    def breaks() -> None:
        raise RuntimeError

    assert desk.browser().get("/breaks").headers["x-content-type-options"] == "nosniff"


def test_ready_says_whether_the_tables_are_this_versions(desk: Desk) -> None:
    assert desk.browser().get("/readyz").json() == {"status": "ok"}
    with desk.world.database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")
    is_problem(desk.browser().get("/readyz"), 503, "not_ready")
    assert desk.browser().get("/healthz").status_code == 200


def test_ready_as_long_as_a_newer_releases_tables_can_be_worked_with(desk: Desk) -> None:
    """A rolling deploy migrates first: the old web processes go on, unless the migration says that they cannot."""
    with desk.world.database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    assert desk.browser().get("/readyz").json() == {"status": "ok"}
    with desk.world.database.engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO breaking_revisions VALUES ('9998')")
    is_problem(desk.browser().get("/readyz"), 503, "not_ready")


def test_the_log_says_what_was_asked_and_nothing_of_whom(capfd: pytest.CaptureFixture[str], desk: Desk) -> None:
    person = desk.staff(Role.OWNER)
    owner = desk.signed_in(person)
    owner.delete(f"{API}/api-keys/0190a0a0-0000-7000-8000-000000000000?q=wanda")
    desk.browser().get("/wanda@client.example")
    logged = "".join(capfd.readouterr())
    assert "DELETE /api/v1/api-keys/{key_id}" in logged
    for personal in ("wanda", person.email, "0190a0a0", "127.0.0.1"):
        assert personal not in logged
