"""Which passwords are refused: what is guessed first, and what is known about their owner."""

from __future__ import annotations

import pytest
import zxcvbn

from handlers.access import password_rules
from handlers.errors import RequestRefused

KIM = ("Kim O\u2019Connor-Lee", "kim.lee@harbourview.example", "Harbour Accounting")


#: Somebody all of whose words are short.
SHORT = ("Kim Lee", "kim@lee.example", "BDO Tax")


def refused(password: str, known: tuple[str, ...] = KIM) -> str | None:
    """The words of the refusal; `None` for a password that is taken."""
    try:
        password_rules.require(password, known)
    except RequestRefused as refusal:
        return f"{refusal.code} {refusal.field}: {refusal.message}"
    return None


@pytest.mark.parametrize(
    "password",
    [
        "aaaaaaaaaaaa",
        "abababababab",
        "abcdefghijkl",
        "123456789012",
        "qwertyuiop12",
        "qwertyqwerty",
        "password1234",
        "P@ssw0rd!P@ssw0rd!",
        "iloveyou1234",
        "Welcome12345",
        "1" * 200,
    ],
)
def test_a_common_password_or_a_pattern_is_refused(password: str) -> None:
    assert "bad_password password: This password is easy to guess" in str(refused(password))


@pytest.mark.parametrize(
    "password",
    [
        "OConnor-Lee 1990",
        "kim.lee@harbourview.example",
        "Harbour2026!!!",
        "Accounting@Harbour",
        "h@rbour@ccounting",
        "HARBOURVIEW 123",
    ],
)
def test_a_password_like_its_owner_is_refused(password: str) -> None:
    assert "too much like" in str(refused(password))


@pytest.mark.parametrize("password", ["KimLee-2026!!", "kim.lee@2026", "BDOTax-2026!", "leekim@BDO99"])
def test_short_words_count_where_they_are_joined(password: str) -> None:
    assert "too much like" in str(refused(password, SHORT))


@pytest.mark.parametrize(
    ("password", "known"),
    [
        ("jlsmith-77193", ("Jo Smythe", "jl.smith@mail.example", "Harbour")),
        ("ab-tax-2026-xy", ("Jo Smythe", "jo@ab-tax.example", "Harbour")),
        ("leekim-2026-ab", ("Kim Mei Lee", "k@x.example", "Harbour")),
    ],
    ids=["what is before the @", "a label of the domain", "two of three names"],
)
def test_so_do_those_of_an_address_and_of_longer_names(password: str, known: tuple[str, ...]) -> None:
    assert "too much like" in str(refused(password, known))


@pytest.mark.parametrize("password", ["kim and lee by the sea", "taxing bdelloids roam", "kJ8#mq2Lp0zX"])
def test_short_words_by_themselves_do_not(password: str) -> None:
    assert refused(password, SHORT) is None


@pytest.mark.parametrize(
    "password",
    [
        "harbour lights at noon",
        "kJ8#mq2Lp0zX",
        "purple monkey dishwasher",
        "zw\u00f6lf Boxk\u00e4mpfer jagen",
        "\u9752\u3044\u6d77\u3068\u767d\u3044\u96f2\u306e\u9593\u306b\u7acb\u3064",
    ],
)
def test_other_passwords_are_taken_whatever_they_are_made_of(password: str) -> None:
    assert refused(password) is None


@pytest.mark.parametrize("password", ["short", "", "kJ8#mq2Lp0zX" * 17])
def test_the_length_has_limits(password: str) -> None:
    assert "12 to 200 characters" in str(refused(password))


def test_what_takes_long_to_look_at_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """zxcvbn takes 12 seconds for 72 characters of which each may stand for several letters."""
    seen: list[str] = []

    def spy(password: str) -> dict[str, float]:
        seen.append(password)
        return {"guesses": 1e12}

    monkeypatch.setattr(zxcvbn, "zxcvbn", spy)
    assert refused("4@8({[<369!1|0$57%2+x" * 9) is None
    [looked_at] = seen
    assert len(looked_at) == password_rules.LOOKED_AT
    assert set(looked_at).isdisjoint("@({[<!|$%+")
