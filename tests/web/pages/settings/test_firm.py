"""Admin settings > Firm: name, time zone, the look of emails, and business structures."""

from __future__ import annotations

import re
import struct

import pytest

from handlers.access import firm, images
from portal_db.states import Role
from tests.letters import body, letters
from tests.making import importable
from tests.web.desk import Desk
from tests.web.pages.frame.test_frame import keeps_the_rules
from tests.web.pages.reading import Page, Reader, reader
from xpm.simulator.serve import SimulatorHandle

AT = "/admin/firm"
PNG = b"\x89PNG\r\n\x1a\n" + b"\x00\x00\x00\rIHDR" + struct.pack(">II", 240, 48) + b"rest" + b"IEND\xaeB`\x82"
JPEG = b"\xff\xd8\xff\xe0\x00\x04ab\xff\xc0\x00\x11\x08" + struct.pack(">HH", 48, 240) + b"\x00" * 12 + b"\xff\xd9"


def upload(visitor: Reader, content: bytes, **typed: str) -> Page:
    form = {**visitor.open(AT).form(f"{AT}/look"), **typed}
    form.pop("logo")
    files = {"logo": ("logo.png", content, "image/png")}
    return Page.of(visitor.browser.post(f"{AT}/look", data=form, files=files))


def test_name_and_time_zone_are_set(desk: Desk) -> None:
    visitor = reader(desk, desk.staff(Role.OWNER))
    page = keeps_the_rules(visitor.open(AT))
    done = visitor.send(page, f"{AT}/basics", name="Quiet Bay", time_zone="Pacific/Auckland")
    assert ("Saved." in done.text, done.form(f"{AT}/basics")["time_zone"]) == (True, "Pacific/Auckland")
    assert "Quiet Bay" in done.text
    wrong = keeps_the_rules(visitor.send(page, f"{AT}/basics", name=" ", time_zone="Pacific/Auckland"))
    assert wrong.faults().keys() == {"name"}
    assert desk.world.scalar("SELECT count(*) FROM audit WHERE action = 'practice.set' AND actor = 'staff'") == 1


def test_logo_colour_and_words_of_welcome_are_in_the_welcome_email(desk: Desk, simulator: SimulatorHandle) -> None:
    visitor = reader(desk, desk.staff(Role.ACCOUNT_ADMIN))
    done = keeps_the_rules(upload(visitor, PNG, colour="#FFDD00", welcome_text="Gwen looks  after you."))
    address = next(item["src"] for item in done.main.all("img"))
    logo = desk.browser().get(address)
    assert (logo.content, logo.headers["content-type"]) == (PNG, "image/png")
    assert logo.headers["x-content-type-options"] == "nosniff"
    desk.world.run_import(importable(simulator)[0].uuid, send_welcome_email=True)
    [letter] = letters(desk.world)
    html = body(letter, "html")
    assert "Gwen looks after you." in body(letter)
    assert f'src="{desk.world.services.settings.public_url}{address}"' in html
    assert "background:#ffdd00;color:#14202e" in html
    # So does the page behind its link, once the link says whose it is
    [link] = re.findall(r"/activate#(\S+)", body(letter))
    stranger = Reader(desk.browser())
    page = stranger.send(stranger.open("/activate"), "/activate", token=link)
    assert [item["src"] for item in page.main.all("img")] == [address]
    assert "/brand/ffdd00.css" in {item["href"] for item in page.root.all("link")}
    # Without a new file the logo stays; another one has another address, and the earlier one is gone
    assert "Saved." in upload(visitor, b"", colour="", welcome_text="").text
    assert desk.browser().get(address).status_code == 200
    upload(visitor, JPEG)
    assert desk.browser().get(address).status_code == 404
    form = visitor.open(AT).form(f"{AT}/look")
    gone = visitor.post(f"{AT}/look", {**form, "remove_logo": "yes"})
    assert list(gone.main.all("img")) == []


@pytest.mark.parametrize(
    ("content", "picture"),
    [
        (PNG, images.Picture("image/png", 240, 48)),
        (JPEG, images.Picture("image/jpeg", 240, 48)),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", None),
        (PNG + b"<script>", None),
        (JPEG[:-2], None),
        (b"\xff\xd8\xff\xe0\x00\x00" + b"x" * 20 + b"\xff\xd9", None),
        (b"\xff\xd8\xff\xd9", None),
    ],
    ids=["png", "jpeg", "svg", "png with a tail", "cut off", "segment without length", "empty jpeg"],
)
def test_a_picture_is_what_its_bytes_say(content: bytes, picture: images.Picture | None) -> None:
    assert images.recognise(content) == picture


def test_a_file_that_is_no_logo_is_refused_and_what_was_typed_stays(desk: Desk) -> None:
    visitor = reader(desk, desk.staff(Role.OWNER))
    for content in (b"<svg/>", PNG.replace(struct.pack(">I", 240), struct.pack(">I", 240_000)),
                    PNG[:30] + b"x" * firm.MOST_BYTES + PNG[30:]):  # fmt: skip
        page = keeps_the_rules(upload(visitor, content, colour="#123456"))
        assert (set(page.faults()), page.form(f"{AT}/look")["colour"]) == ({"logo"}, "#123456")
    assert upload(visitor, b"", colour="red").faults().keys() == {"colour"}
    assert upload(visitor, b"", welcome_text="a" * 601).faults().keys() == {"welcome_text"}
    assert desk.world.scalar("SELECT count(*) FROM practice_looks") == 0


def test_business_structures_are_explained(desk: Desk) -> None:
    visitor = reader(desk, desk.staff(Role.OWNER))
    done = visitor.send(visitor.open(AT), f"{AT}/structures", structure="Bowling Club", meaning="Company")
    row = next(row for row in keeps_the_rules(done).main.all("tr") if "Bowling Club" in row.text)
    assert "Company" in row.text
    wrong = visitor.send(done, f"{AT}/structures", structure="Club", meaning="Castle")
    assert wrong.faults().keys() == {"meaning"}
    gone = visitor.send(done, f"{AT}/structures/removal", structure="Bowling Club")
    assert "Bowling Club" not in gone.main.text


def test_other_roles_have_none_of_it(desk: Desk) -> None:
    visitor = reader(desk, desk.staff(Role.PARTNER))
    token = {"csrf_token": visitor.open("/clients").form("/sign-out")["csrf_token"], "name": "Mine"}
    assert visitor.open(AT).status == 403
    assert [visitor.post(f"{AT}/{act}", token).status for act in ("basics", "look", "structures")] == [403] * 3
