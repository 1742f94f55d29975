"""How pages word states and what the history holds."""

from __future__ import annotations

import pytest

from web.pages.frame import filters


@pytest.mark.parametrize(
    ("about", "shown"),
    [
        ("Spouse: Stuart Jardine", ("Stuart Jardine", "spouse")),
        ("Director Of: Blue: Reef", ("Blue: Reef", "director of")),
        ("Stuart Jardine", ("Stuart Jardine", "")),
    ],
)
def test_a_reviewed_item_is_named_by_the_other_side_and_the_relationship(about: str, shown: tuple[str, str]) -> None:
    assert filters.reviewed_item(about) == shown


def test_what_a_table_lacks_reads_as_it_is_written() -> None:
    assert [filters.FILTERS["import_state"](state) for state in ("rejected", "partly_succeeded")] == [
        "Not imported",
        "Partly succeeded",
    ]
