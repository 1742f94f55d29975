"""Any record that XPM could send arrives as itself, in both formats, however its bytes are cut up on the way."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.xpm.client.encoding import CONTENT_TYPES, FORMATS, Format, encode_list, encode_one
from xpm.errors import XpmMalformed
from xpm.records import Address, GroupRef, RelationshipRecord, XpmClient
from xpm.wire import decode_client, decode_clients


def written(categories: tuple[Any, ...], more: str = "") -> st.SearchStrategy[str]:
    letters = st.characters(exclude_categories=categories, include_characters=more, exclude_characters="\ufffe\uffff")
    return st.text(letters, min_size=1, max_size=20).map(str.strip).filter(bool)


texts = written(("Cs", "Cc", "Zl", "Zp"))
streets = st.none() | written(("Cs", "Cc"), "\t\n")
maybe = st.none() | texts
births = st.none() | st.dates(date(1900, 1, 2), date(2026, 1, 1))
days = st.none() | st.dates(date(1754, 1, 1), date(9998, 12, 31))
addresses = st.builds(Address, street=streets, city=maybe, region=maybe, post_code=maybe, country=maybe)
relationships = st.builds(
    RelationshipRecord,
    uuid=st.none() | st.uuids(),
    label=texts,
    related_uuid=st.uuids(),
    related_name=texts,
    number_of_shares=st.none() | st.integers(1, 2**31 - 1),
    percentage=st.none() | st.decimals(Decimal("0.01"), Decimal(100), places=2),
    start_date=days,
    end_date=days,
)
clients = st.builds(
    XpmClient,
    uuid=st.uuids(),
    name=texts,
    title=maybe,
    gender=maybe,
    first_name=maybe,
    last_name=maybe,
    email=maybe,
    date_of_birth=births,
    phone=maybe,
    address=addresses,
    postal_address=addresses,
    business_structure=maybe,
    return_type=maybe,
    client_code=maybe,
    is_prospect=st.booleans(),
    is_archived=st.booleans(),
    is_deleted=st.booleans(),
    groups=st.lists(st.builds(GroupRef, uuid=st.uuids(), name=texts), max_size=3).map(tuple),
    relationships=st.lists(relationships, max_size=3).map(tuple),
)


# A record has dozens of fields, so a busy machine is slow to make one up; that says nothing about the decoder.
unhurried = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def cut(body: bytes, size: int) -> Iterator[bytes]:
    """The body in chunks of one size."""
    return (body[at : at + size] for at in range(0, len(body), size))


@unhurried
@given(client=clients, kind=st.sampled_from(FORMATS), size=st.integers(1, 5000))
def test_one_client_arrives_as_it_was_sent(client: XpmClient, kind: Format, size: int) -> None:
    body = encode_one(client, kind)
    assert decode_client(CONTENT_TYPES[kind], cut(body, size)) == client


@unhurried
@given(sent=st.lists(clients, max_size=4), kind=st.sampled_from(FORMATS), size=st.integers(1, 5000))
def test_a_list_arrives_whole_and_in_order(sent: list[XpmClient], kind: Format, size: int) -> None:
    body = encode_list(sent, kind)
    assert list(decode_clients(CONTENT_TYPES[kind], cut(body, size))) == sent


@unhurried
@given(sent=st.lists(clients, max_size=2), kind=st.sampled_from(FORMATS), data=st.data())
def test_a_list_cut_anywhere_is_an_error_and_never_a_short_list(
    sent: list[XpmClient], kind: Format, data: st.DataObject
) -> None:
    body = encode_list(sent, kind)
    end = data.draw(st.integers(1, len(body) - 1))  # of nothing at all nobody knows whose it is
    stream = decode_clients(CONTENT_TYPES[kind], cut(body[:end], 1000))
    with pytest.raises(XpmMalformed) as caught:
        list(stream)
    assert caught.value.truncated
