"""Conditions on folded names, as the databases evaluate them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import literal, select

from config.folding import fold_name, name_key
from portal_db import names
from portal_db.database import Database

LETTERS = st.sampled_from("abcdeiln%_/\\'é")
WORDS = st.text(LETTERS, min_size=5, max_size=8)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    made = Database(database_url)
    yield made
    made.close()


def is_found(database: Database, typed: str, name: str, *, is_guess: bool) -> bool:
    with database.read() as tx:
        return bool(tx.session.scalar(select(names.contain(typed, literal(name_key(name)), is_guess=is_guess))))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    word=WORDS, at=st.integers(0, 7), letter=LETTERS, error=st.sampled_from(["too many", "missing", "wrong", "swapped"])
)
def test_any_one_typing_error_is_guessed(database: Database, word: str, at: int, letter: str, error: str) -> None:
    name, at = fold_name(word), min(at, len(fold_name(word)) - 1)
    before, after = name[:at], name[at:]
    typed = {
        "too many": before + letter + after,
        "missing": before + after[1:],
        "wrong": before + letter + after[1:],
        "swapped": before + after[1:2] + after[:1] + after[2:],
    }[error]
    if len(fold_name(typed)) >= names.SHORTEST:
        assert is_found(database, typed, f"The {name} Trust", is_guess=True)


def test_two_errors_and_short_words_are_not_guessed(database: Database) -> None:
    assert is_found(database, "trelwany", "Fraser Trelawny", is_guess=True)
    assert is_found(
        database, "trealwny", "Fraser Trelawny", is_guess=True
    )  # in the middle, so that neither half is right
    assert is_found(database, "annmarie", "Ann-Marie", is_guess=True)
    assert not is_found(database, "trlewnay", "Fraser Trelawny", is_guess=True)
    assert not is_found(database, "khna", "Khan", is_guess=True)
    assert not is_found(database, "trelwany khna", "Khan Trelawny", is_guess=True)
    assert not is_found(database, "trelwany", "Fraser Trelawny", is_guess=False)


def test_no_word_finds_nobody_and_a_long_text_is_no_burden(database: Database) -> None:
    assert not is_found(database, "'-", "O'Neil-Lee", is_guess=False)
    longest = " ".join(["abcdefghijklmnopqrstuvwxyz"] * 7)[:200]
    assert is_found(database, longest, "abcdefghijklmnopqrstuvwxy", is_guess=True)
