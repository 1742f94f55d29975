"""Whether a text names a person: their address anywhere, their name as words, and no neighbour by a piece of a word."""

from __future__ import annotations

import json
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.operations.redact_names import ERASED, Naming

RECORD, OTHER = UUID(int=1), UUID(int=2)
ANN = Naming(frozenset({RECORD}), frozenset({"ann@example.com"}), frozenset({"Ann Lee", "0491 570 006", "Al"}))


@pytest.mark.parametrize(
    ("payload", "named"),
    [
        (b"<email>ANN@Example.com</email>", True),
        (b"mailto_ann@example.com_", True),
        (b"ann lee rang", True),
        (b"Joann Leeds rang", False),
        (b"Al rang", False),
        (b"\xff\xfe ann@example.com", True),
        (json.dumps({"kwargs": {"name": "Ann Lee"}}).encode(), True),
        (json.dumps({"kwargs": {"name": "Ann Lee", "xpm_uuid": str(OTHER)}}).encode(), False),
        (json.dumps({"name": "Ann Lee", "xpm_uuid": str(OTHER)}).encode(), False),
        (json.dumps({"name": "Bo", "xpm_uuid": str(RECORD)}).encode(), True),
        (json.dumps({"email": "ann@example.com", "xpm_uuid": str(OTHER)}).encode(), True),
        (json.dumps(["\u0041nn Lee"]).encode(), True),
        (b"[]", False),
        (b"7", False),
        (b"", False),
    ],
)
def test_a_message_that_names_somebody(payload: bytes, named: bool) -> None:
    assert ANN.is_in(payload) is named


def test_the_text_without_them() -> None:
    told = "Ann Lee (ANN@example.com, 0491 570 006) is not Joann Leeds."
    assert ANN.without(told) == f"{ERASED} ({ERASED}, {ERASED}) is not Joann Leeds."
    assert ANN.without(None) is None
    assert Naming(frozenset(), frozenset(), frozenset()).without("text") == "text"


@given(
    words=st.frozensets(st.text(min_size=3, max_size=12).filter(lambda word: word.strip() == word), min_size=1),
    around=st.lists(st.sampled_from([" ", ", ", " (", ")\n", "“"]), min_size=1, max_size=5),
)
def test_whatever_they_are_called_nothing_is_left_of_it(words: frozenset[str], around: list[str]) -> None:
    """Written as it is, between marks that end a word."""
    naming = Naming(frozenset(), frozenset(), words)
    for word in words:
        for mark in around:
            text = f"{mark}{word}{mark}"
            assert naming.is_in_text(text)
            assert naming.without(text) == f"{mark}{ERASED}{mark}"
