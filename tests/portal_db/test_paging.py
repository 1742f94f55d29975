"""The total of a list of which a page was read."""

from __future__ import annotations

import pytest

from portal_db.paging import total_of

LIMIT, ALL = 25, 32


def not_counted() -> int:
    pytest.fail("the page itself shows how many there are")


@pytest.mark.parametrize(
    ("rows", "offset"), [(25, 0), (0, 50)], ids=["more may follow", "a page behind the end tells nothing"]
)
def test_a_total_is_counted_where_the_page_does_not_show_it(rows: int, offset: int) -> None:
    assert total_of(range(rows), LIMIT, lambda: ALL, offset=offset) == ALL


@pytest.mark.parametrize(("rows", "offset"), [(7, 25), (24, 0), (0, 0)])
def test_the_last_page_is_not_counted_again(rows: int, offset: int) -> None:
    assert total_of(range(rows), LIMIT, not_counted, offset=offset) == offset + rows
