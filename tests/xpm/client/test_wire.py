"""What is read off the wire: envelopes, spellings, scalars, collapsed lists, character sets, and nothing else."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from tests.xpm.client.decoding import GROUP, JSON, SECRET, both_formats, many, one, xml_client
from tests.xpm.client.encoding import CONTENT_TYPES, Format, as_tree, encode, encode_list
from tests.xpm.client.upstream import ACME, BLOGGS
from xpm.errors import XpmMalformed
from xpm.records import GroupRef, RelationshipRecord
from xpm.wire import decode_clients
from xpm.wire.envelope import Envelope
from xpm.wire.json_events import JsonEvents
from xpm.wire.xml_events import XmlEvents


def test_xml_as_xpm_documents_it_is_read() -> None:
    body = f"""<?xml version="1.0"?>
    <Response api-method="Get">
      <Status>OK</Status>
      <Client>
        <UUID>{ACME.uuid}</UUID><Name> Acme Pty Ltd </Name><Email />
        <PostalAddress>Level 32
          188 Quay Street</PostalAddress><PostalCity>Auckland</PostalCity><PostalRegion/>
        <Type><Name>20th of Month</Name><PaymentDay>20</PaymentDay></Type>
        <Contacts><Contact><UUID>dd92</UUID><Name>{SECRET}</Name></Contact></Contacts>
        <TaxNumber>******123</TaxNumber><BusinessStructure>Company</BusinessStructure><IsArchived>Yes</IsArchived>
        <Groups><Group><UUID>{UUID(int=5)}</UUID><Name>Bloggs Family</Name></Group></Groups>
        <Relationships><Relationship><UUID>{UUID(int=6)}</UUID><Type>Shareholder</Type>
          <RelatedClient><UUID>{UUID(int=7)}</UUID><Name>Bloggs Ltd</Name></RelatedClient>
          <NumberOfShares>1000</NumberOfShares><Percentage>0</Percentage>
          <StartDate>2011-01-01</StartDate><EndDate>2013-03-31</EndDate></Relationship></Relationships>
      </Client>
      <WebUrl>https://practicemanager.example/client</WebUrl>
    </Response>"""
    client = one(body)
    assert (client.name, client.email, client.business_structure) == ("Acme Pty Ltd", None, "Company")
    assert client.postal_address.street == "Level 32\n          188 Quay Street"
    assert client.postal_address.region is None
    assert client.is_archived
    assert not client.is_prospect
    assert client.groups == (GroupRef(UUID(int=5), "Bloggs Family"),)
    assert client.relationships == (
        RelationshipRecord(
            uuid=UUID(int=6),
            label="Shareholder",
            related_uuid=UUID(int=7),
            related_name="Bloggs Ltd",
            number_of_shares=1000,
            start_date=date(2011, 1, 1),
            end_date=date(2013, 3, 31),
        ),
    )


@both_formats
def test_a_missing_value_an_empty_one_and_a_null_are_the_same(kind: Format) -> None:
    full = as_tree(ACME)
    bare = {"uuid": full["uuid"], "name": full["name"]}
    empty = {name: value if name in bare else "" for name, value in full.items()}
    for tree in (bare, empty, {**full, "groups": None, "relationships": None}):
        body = encode({"status": "OK", "client": tree}, kind)
        assert one(body, CONTENT_TYPES[kind]) == ACME


@pytest.mark.parametrize(
    ("sent", "read"), [("Yes", True), ("yes", True), (True, True), ("No", False), (False, False), (None, False)]
)
def test_yes_and_no_are_truth_values(sent: Any, read: bool) -> None:
    assert one({**as_tree(ACME), "isDeleted": sent}).is_deleted is read


@pytest.mark.parametrize("sent", ["1970-11-26", "1970-11-26T00:00:00", "1970-11-26T00:00:00.0000000"])
def test_both_forms_of_a_date_are_read(sent: str) -> None:
    assert one({**as_tree(ACME), "dateOfBirth": sent}).date_of_birth == date(1970, 11, 26)


@pytest.mark.parametrize(
    ("shares", "percentage", "read"),
    [
        (1000, 12.5, (1000, Decimal("12.5"))),
        ("1000.00", "33.33", (1000, Decimal("33.33"))),
        (0, 0, (None, None)),
        ("0.00", "", (None, None)),
        (None, None, (None, None)),
    ],
)
def test_numbers_come_as_numbers_or_text_and_zero_means_nothing(shares: Any, percentage: Any, read: Any) -> None:
    row = {
        "type": "Owner",
        "relatedClient": {"uuid": str(BLOGGS.uuid), "name": BLOGGS.name},
        "numberOfShares": shares,
        "percentage": percentage,
    }
    client = one({**as_tree(ACME), "relationships": [row]})
    assert (client.relationships[0].number_of_shares, client.relationships[0].percentage) == read


@pytest.mark.parametrize("groups", [[GROUP], GROUP, {"group": GROUP}])
def test_a_list_collapsed_to_its_one_row_is_that_row(groups: Any) -> None:
    assert one({**as_tree(ACME), "groups": groups}).groups == (GroupRef(UUID(int=5), "Bloggs Family"),)


@pytest.mark.parametrize("clients", [[as_tree(ACME)], as_tree(ACME), {"client": as_tree(ACME)}])
def test_a_client_list_collapsed_to_its_one_client_is_that_client(clients: Any) -> None:
    assert many(json.dumps({"clients": clients, "status": "OK"}), JSON) == [ACME]


@pytest.mark.parametrize("groups", ["<Groups/>", "<Groups></Groups>", "<Groups><Group/></Groups>", ""])
def test_an_empty_list_has_no_rows(groups: str) -> None:
    assert one(xml_client(groups)).groups == ()


@both_formats
@pytest.mark.parametrize("extra", [{}, {"clients": None}, {"clients": []}])
def test_a_list_of_no_clients_is_empty(kind: Format, extra: dict[str, Any]) -> None:
    assert many(encode({"status": "OK", **extra}, kind), CONTENT_TYPES[kind]) == []


@pytest.mark.parametrize(
    "content_type",
    ["text/xml", "text/xml; charset=utf-8", "application/xml;charset=UTF-8", 'TEXT/XML; Charset="utf-8"'],
)
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_xml_is_known_by_its_content_type(content_type: str, bom: bytes) -> None:
    client = replace(ACME, name="Zoë 株式会社")
    assert many(bom + encode_list([client], "xml"), content_type) == [client]


@pytest.mark.parametrize("content_type", ["application/json", "text/json", "application/problem+json; charset=utf-8"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_json_is_known_by_its_content_type(content_type: str, bom: bytes) -> None:
    client = replace(ACME, name="Zoë 株式会社")
    assert many(bom + encode_list([client], "json"), content_type) == [client]


@both_formats
def test_a_bom_that_comes_one_byte_at_a_time_is_a_bom(kind: Format) -> None:
    body = b"\xef\xbb\xbf" + encode_list([ACME], kind)
    assert list(decode_clients(CONTENT_TYPES[kind], (bytes([byte]) for byte in body))) == [ACME]


def test_the_charset_of_the_response_overrides_that_of_the_document() -> None:
    client = replace(ACME, name="Zoë")
    body = encode_list([client], "xml").decode().encode("latin-1")
    assert many(body, "text/xml; charset=iso-8859-1") == [client]


def test_a_bom_overrides_the_charset_of_the_response() -> None:
    client = replace(ACME, name="Zoë")
    assert many(b"\xef\xbb\xbf" + encode_list([client], "xml"), "text/xml; charset=iso-8859-1") == [client]


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/html",
        "text/plain",
        "application/octet-stream",
        "xml",
        "text/xml; charset=klingon",
        "text/xml; charset=\0",
    ],
)
def test_another_content_type_is_refused(content_type: str) -> None:
    with pytest.raises(XpmMalformed) as caught:
        many(encode_list([ACME], "xml"), content_type)
    assert not caught.value.truncated


def test_json_in_another_character_set_is_refused() -> None:
    with pytest.raises(XpmMalformed):
        many(encode_list([ACME], "json"), "application/json; charset=utf-16")


@both_formats
def test_what_the_contract_does_not_name_is_dropped_while_it_arrives(kind: Format) -> None:
    envelope = Envelope()
    events = JsonEvents(envelope) if kind == "json" else XmlEvents(envelope)
    tree = {**as_tree(ACME), "taxNumber": SECRET, "bankName": SECRET, "bankBsb": SECRET, "notes": [{"text": SECRET}]}
    events.feed(encode({"status": "OK", "clients": [tree]}, kind))

    def names(element: Any) -> Iterator[str]:
        yield element.name
        yield "".join(element.parts)
        for child in element.children:
            yield from names(child)

    held = set(names(envelope.clients[0]))
    assert ACME.name in held
    assert held.isdisjoint({SECRET, "taxnumber", "bankname", "bankbsb", "notes", "contacts", "******123", "00-secret"})


@both_formats
def test_a_long_list_is_read_in_constant_memory(kind: Format) -> None:
    head, row, tail = split_list(kind)
    count = 3_000

    def chunks() -> Iterator[bytes]:
        yield head
        for at in range(count):
            yield row if kind == "xml" or at == count - 1 else row + b","
        yield tail

    tracemalloc.start()
    try:
        read = sum(1 for _ in decode_clients(CONTENT_TYPES[kind], chunks()))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert read == count
    assert count * len(row) > 2_000_000
    assert peak < 700_000


def split_list(kind: Format) -> tuple[bytes, bytes, bytes]:
    """A one-client list as what stands before the client, the client, and what stands after it."""
    body = encode_list([ACME], kind)
    opening, closing = {"xml": (b"<Client>", b"</Client>"), "json": (b'{"uuid"', b"]}")}[kind]
    start = body.index(opening)
    end = body.index(closing) + len(closing) if kind == "xml" else len(body) - 2
    return body[:start], body[start:end], body[end:]
