"""What is refused on the wire: errors at 200, bodies cut short or broken, and what grows without end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from tests.xpm.client.decoding import JSON, SECRET, XML, both_formats, many, one, xml_client
from tests.xpm.client.encoding import CONTENT_TYPES, Format, as_tree, encode, encode_error, encode_list
from tests.xpm.client.upstream import ACME, BLOGGS
from xpm.errors import XpmMalformed, XpmNotFound, XpmRefused
from xpm.records import GroupRef
from xpm.wire import decode_clients
from xpm.wire.envelope import MAX_TEXT


@both_formats
def test_an_error_at_200_is_an_error(kind: Format) -> None:
    with pytest.raises(XpmRefused) as refused:
        many(encode_error(f"The client name is required {SECRET}", kind), CONTENT_TYPES[kind])
    assert refused.value.description == "The client name is required …"
    with pytest.raises(XpmNotFound):
        one(encode_error("Invalid client identifier", kind), CONTENT_TYPES[kind])


@pytest.mark.parametrize("order", [("status", "clients"), ("clients", "status")])
def test_an_error_is_an_error_wherever_its_status_stands(order: tuple[str, str]) -> None:
    tree: dict[str, Any] = {"status": "ERROR", "clients": [as_tree(ACME)]}
    with pytest.raises(XpmRefused):
        many(json.dumps({name: tree[name] for name in order}), JSON)


@both_formats
def test_a_whole_body_without_a_status_counts_as_truncated(kind: Format) -> None:
    with pytest.raises(XpmMalformed) as caught:
        many(encode({"clients": [as_tree(ACME)]}, kind), CONTENT_TYPES[kind])
    assert caught.value.truncated


@both_formats
def test_a_status_nobody_knows_breaks_the_contract(kind: Format) -> None:
    with pytest.raises(XpmMalformed) as caught:
        many(encode({"status": "PARTIAL", "clients": []}, kind), CONTENT_TYPES[kind])
    assert not caught.value.truncated


@both_formats
@pytest.mark.parametrize("cut", [1, 10, 400])
def test_a_truncated_list_gives_its_clients_and_then_the_error(kind: Format, cut: int) -> None:
    body = encode_list([ACME, BLOGGS], kind)[:-cut]
    stream = decode_clients(CONTENT_TYPES[kind], iter([body]))
    assert next(stream) == ACME
    with pytest.raises(XpmMalformed) as caught:
        list(stream)
    assert caught.value.truncated


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        ("<Response><Status>OK</Oops></Response>", XML),
        ("<Response><Status>OK</Status></Response><Response/>", XML),
        ("<html><body>Access Denied</body></html>", XML),
        ("<Response><Status>OK</Status>1 < 2</Response>", XML),
        ('{"status": "OK",}', JSON),
        ('{"status": "OK"} {"status": "OK"}', JSON),
        ('{"status": "OK", "balanceMonth": ' + "1" * 5000 + "}", JSON),
        ('["status", "OK"]', JSON),
        ('"OK"', JSON),
        (b'{"status": "OK", "clients": "\xff\xfe"}', JSON),
    ],
)
def test_a_broken_body_is_malformed_and_not_truncated(body: str | bytes, content_type: str) -> None:
    with pytest.raises(XpmMalformed) as caught:
        many(body, content_type)
    assert not caught.value.truncated


LAUGHS = "".join(f'<!ENTITY l{at} "{f"&l{at - 1};" * 10}">' for at in range(1, 10))


@pytest.mark.parametrize(
    "doctype",
    [
        '<!DOCTYPE Response [<!ENTITY nbsp "&#160; & more">]>',
        "<!DOCTYPE Response>",
        '<!DOCTYPE Response SYSTEM "http://127.0.0.1:9/evil.dtd">',
        '<!DOCTYPE Response [<!ENTITY name "Acme">]>',
        '<!DOCTYPE Response [<!ENTITY name SYSTEM "file:///etc/passwd">]>',
        f'<!DOCTYPE Response [<!ENTITY l0 "ha">{LAUGHS}]>',
    ],
)
def test_document_types_and_entities_are_refused(doctype: str) -> None:
    with pytest.raises(XpmMalformed) as caught:
        many(doctype + xml_client("<Phone>&name; &nbsp; &l9; & </Phone>"))
    assert not caught.value.truncated


@both_formats
@pytest.mark.parametrize(
    "broken",
    [
        {"uuid": None},
        {"uuid": SECRET},
        {"name": None},
        {"name": "  "},
        {"name": "x" * (MAX_TEXT + 1)},
    ],
)
def test_a_record_that_cannot_be_read_is_malformed_and_its_error_tells_nothing_personal(
    kind: Format, broken: dict[str, Any]
) -> None:
    body = encode({"status": "OK", "clients": [{**as_tree(BLOGGS), **broken}]}, kind)
    with pytest.raises(XpmMalformed) as caught:
        many(body, CONTENT_TYPES[kind])
    assert not caught.value.truncated
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is caught.value.__context__ is None


@both_formats
def test_a_long_name_is_kept_as_sent_up_to_the_bound(kind: Format) -> None:
    client = replace(ACME, name="x" * MAX_TEXT)
    assert many(encode_list([client], kind), CONTENT_TYPES[kind]) == [client]


@both_formats
@pytest.mark.parametrize(
    "head",
    [
        {"xml": "<Response>", "json": '{"a":'},
        {"xml": "<Response><Clients>" + "<Client>" * 2, "json": '{"clients": [{"a":'},
    ],
    ids=["outside of a client", "in a client"],
)
def test_a_body_that_nests_too_deep_is_refused(kind: Format, head: dict[Format, str]) -> None:
    deep = head[kind] + {"xml": "<a>", "json": "["}[kind] * 100_000
    with pytest.raises(XpmMalformed) as caught:
        list(decode_clients(CONTENT_TYPES[kind], iter([deep.encode()]), lambda _: None))
    assert not caught.value.truncated


@both_formats
def test_a_client_of_more_fields_than_anybody_has_is_refused(kind: Format, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xpm.wire.envelope.MAX_VALUES", 60)
    assert many(encode_list([ACME] * 10, kind), CONTENT_TYPES[kind]) == [ACME] * 10
    crowd = replace(ACME, groups=(GroupRef(UUID(int=5), "Bloggs Family"),) * 20)
    with pytest.raises(XpmMalformed):
        many(encode_list([crowd], kind), CONTENT_TYPES[kind])


@both_formats
def test_a_text_that_never_ends_is_refused_before_it_fills_the_memory(kind: Format) -> None:
    def endless() -> Iterator[bytes]:
        yield {"xml": b"<Response><Status a='", "json": b'{"status": "'}[kind]
        while True:
            yield b"x" * 65_536

    with pytest.raises(XpmMalformed):
        list(decode_clients(CONTENT_TYPES[kind], endless()))


def test_characters_that_xml_cannot_carry_are_dropped_from_json() -> None:
    assert one({**as_tree(ACME), "name": "Ac\0m\be"}).name == "Acme"


@both_formats
def test_a_get_has_exactly_one_client(kind: Format) -> None:
    for tree in ({"status": "OK"}, {"status": "OK", "client": None}):
        with pytest.raises(XpmMalformed):
            one(encode(tree, kind), CONTENT_TYPES[kind])
    with pytest.raises(XpmMalformed):
        one(encode_list([ACME, BLOGGS], kind), CONTENT_TYPES[kind])
