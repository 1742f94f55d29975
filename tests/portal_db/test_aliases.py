"""Aliases: the same to threads that use them for the first time at once."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
from sqlalchemy import inspect, select

from portal_db.aliases import alias_of
from portal_db.tables import Import
from tests.racing import at_once

ROUNDS = 300
COLUMNS = ("batch_id", "resolved_at", "position", "id")


@pytest.fixture
def eager_threads() -> Iterator[None]:
    """Threads that take turns after every few instructions."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("eager_threads")
@pytest.mark.parametrize("is_of_rows", [False, True], ids=["of a table", "of some rows"])
def test_threads_that_use_an_alias_for_the_first_time_at_once_get_its_own_columns(is_of_rows: bool) -> None:
    for _ in range(ROUNDS):
        # Given an alias that no statement has used
        alias = alias_of(Import, select(Import).limit(5).subquery() if is_of_rows else None)
        # When threads build their statements with it at the same moment
        tables = at_once(*(partial(table_of, alias, name) for name in COLUMNS))
        # Then each has the alias's columns, and none the table's
        assert tables == [inspect(alias).selectable] * len(COLUMNS)


def table_of(alias: type[Import], name: str) -> Any:
    """The table that a statement reads this column from."""
    return getattr(alias, name).__clause_element__().table
