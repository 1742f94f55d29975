"""Where a page leads to after a form."""

from __future__ import annotations

import pytest

from web.pages.frame.view import redirect


@pytest.mark.parametrize(
    ("path", "leads_to"),
    [
        ("/staff", "/staff?said=left"),
        ("/staff?page=2", "/staff?page=2&said=left"),
        ("/staff#behind", "/staff?said=left#behind"),
        ("/staff?page=2#behind", "/staff?page=2&said=left#behind"),
    ],
)
def test_a_message_goes_before_the_place_on_the_page(path: str, leads_to: str) -> None:
    assert redirect(path, message="left").headers["location"] == leads_to
    assert redirect(path).headers["location"] == path
