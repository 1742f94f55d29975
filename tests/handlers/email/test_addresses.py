"""What people and programs put around an email address in XPM, and texts that hold no address or several."""

from __future__ import annotations

import pytest

from handlers.email.addresses import bare, normalise
from handlers.errors import Rejected


@pytest.mark.parametrize(
    "text",
    [
        "jane@mail.example",
        "\u200bjane@mail.example\ufeff",
        "\u202ajane@mail.example\u202c",
        "\xa0jane@mail.example\t",
        "mailto:jane@mail.example",
        "MAILTO: jane@mail.example?subject=Hello",
        "Jane <jane@mail.example>",
        '"Doe, Jane" <mailto:jane@mail.example>,',
        "<jane@mail.example>",
        "jane@mail.example.",
        "jane@mail.example,",
        "jane@mail.example ;",
        "jane@mail.example, jane@mail.example",
        "jane@mail.example <jane@mail.example>",
    ],
)
def test_what_stands_around_one_address_is_dropped(text: str) -> None:
    assert bare(text) == "jane@mail.example"
    assert normalise(text) == ("jane@mail.example", "jane@mail.example")


@pytest.mark.parametrize("text", ["o'hara@mail.example", "a/b@mail.example", "a?b@mail.example", "a+b@mail.example"])
def test_an_odd_address_stays_as_it_is(text: str) -> None:
    assert normalise(text)[0] == text


@pytest.mark.parametrize(
    "text",
    [
        "a@mail.example; c@mail.example",
        "a@mail.example, c@mail.example",
        "a@mail.example\nc@mail.example",
        "a@mail.example or c@mail.example",
        "a@mail.example <c@mail.example>",
    ],
)
def test_two_addresses_are_refused_as_two(text: str) -> None:
    with pytest.raises(Rejected) as refused:
        normalise(text)
    assert refused.value.code == "email_ambiguous"


@pytest.mark.parametrize(
    "text", ["", " ", "jane", "bo smith@mail.example", "jane@@mail.example", "see notes", "@", "<>"]
)
def test_half_an_address_is_none(text: str) -> None:
    """A part of a mistyped address may be the address of somebody else."""
    with pytest.raises(Rejected) as refused:
        normalise(text)
    assert refused.value.code == "email_invalid"


def test_addresses_that_searches_would_take_for_the_same_are_not_the_same() -> None:
    """The fold of names finds people; it never says that two logins are one."""
    alike = (
        "o'neil@example.com",
        "oneil@example.com",
        "ann-marie@example.com",
        "annmarie@example.com",
        "ann_marie@example.com",
    )
    assert len({normalise(address)[1] for address in alike}) == len(alike)
