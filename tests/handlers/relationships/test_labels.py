"""The rows by which XPM tells one relationship become one offer, and nothing of them is lost."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from itertools import permutations
from uuid import uuid4

import pytest

from handlers.relationships.labels import combine_rows
from tests.handlers.given import related


def test_one_relationship_told_from_both_sides_is_one_offer() -> None:
    other = uuid4()
    [offer] = combine_rows([related("Director", other), related("Director Of", other, start_date=date(2020, 1, 1))])
    assert (offer.label, offer.label_key, offer.start_date) == ("Director Of", "director", date(2020, 1, 1))
    assert [row["label"] for row in offer.also_told or ()] == ["Director"]


def test_other_roles_and_other_people_stay_apart() -> None:
    other = uuid4()
    offers = combine_rows([related("Director", other), related("Shareholder", other), related("Director")])
    assert len({(offer.label_key, offer.other_xpm_uuid) for offer in offers}) == 3


def test_spouses_are_one_offer_whatever_they_are_called() -> None:
    other = uuid4()
    assert len(combine_rows([related("Spouse", other), related("Wife", other), related("husband", other)])) == 1
    assert len(combine_rows([related("Appointor Of", other), related("Appointer", other)])) == 1


def test_the_running_row_counts_then_the_latest_begun_and_the_order_makes_no_difference() -> None:
    other = uuid4()
    ended = related("Director", other, start_date=date(2020, 1, 1), end_date=date(2024, 1, 1))
    early = related("Director", other, start_date=date(2001, 1, 1))
    late = related("DIRECTOR", other, start_date=date(2010, 1, 1))
    undated = related("Director", other)
    folded = [combine_rows(rows) for rows in permutations([ended, early, late, undated])]
    assert all(each == folded[0] for each in folded)
    assert (folded[0][0].label, folded[0][0].start_date, folded[0][0].end_date) == ("DIRECTOR", date(2010, 1, 1), None)


def test_a_row_whose_end_cannot_be_read_is_not_the_running_one() -> None:
    other = uuid4()
    unread = related("Director", other, start_date=date(2020, 1, 1), omissions=("endDate",))
    [offer] = combine_rows([unread, related("Director Of", other)])
    assert (offer.label, offer.end_date, offer.unknown) == ("Director Of", None, frozenset())
    [offer] = combine_rows([unread, related("Director Of", other, end_date=date(2024, 1, 1))])
    assert (offer.label, offer.end_date, offer.unknown) == ("Director", None, frozenset({"end_date"}))


def test_what_the_telling_row_lacks_comes_from_the_others() -> None:
    other = uuid4()
    [offer] = combine_rows([related("Shareholder Of", other, number_of_shares=100), related("Shareholder", other)])
    assert offer.number_of_shares == 100


@pytest.mark.parametrize(
    ("label", "shares", "percentage"),
    [
        ("Shareholder Of", 10, None),
        ("Owner", 10, None),
        ("Partner", None, Decimal("33.3333")),
        ("Partnership", None, Decimal("33.3333")),
        ("Director", None, None),
        ("Beneficiary", None, None),
    ],
)
def test_numbers_count_where_xpm_means_them(label: str, shares: int | None, percentage: Decimal | None) -> None:
    [offer] = combine_rows([related(label, number_of_shares=10, percentage=Decimal("33.33333333"))])
    assert (offer.number_of_shares, offer.percentage) == (shares, percentage)


def test_nought_is_not_supplied() -> None:
    [offer] = combine_rows([related("Partner", percentage=Decimal(0)), *[]])
    assert offer.percentage is None
    [offer] = combine_rows([related("Shareholder", number_of_shares=0)])
    assert offer.number_of_shares is None
