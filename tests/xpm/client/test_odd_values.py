"""Odd values on the wire: what they mean, or that they are left out and named. One of them never costs more than itself."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.xpm.client.decoding import GROUP, JSON, SECRET, XML, both_formats, many
from tests.xpm.client.encoding import CONTENT_TYPES, Format, as_tree, encode, encode_list
from tests.xpm.client.test_roundtrip import clients, cut, unhurried
from tests.xpm.client.upstream import ACME, BLOGGS
from xpm.errors import XpmMalformed
from xpm.records import Unreadable, XpmClient
from xpm.wire import Reading, decode_clients
from xpm.wire.envelope import MAX_DEPTH, MAX_TEXT

TIE = {"type": "Owner", "relatedClient": GROUP}
AUSTRALIA = Reading.at(datetime(2026, 11, 27, tzinfo=UTC), day_first=True)
SOMEWHERE = replace(AUSTRALIA, day_first=False)


def read(kind: Format, odd: dict[str, Any], reading: Reading = SOMEWHERE) -> XpmClient:
    """The one record of a list, read with these values in it."""
    body = encode({"status": "OK", "clients": [{**as_tree(BLOGGS), **odd}]}, kind)
    (found,) = decode_clients(CONTENT_TYPES[kind], iter([body]), reading=reading)
    return found


def born(kind: Format, written: str, reading: Reading = SOMEWHERE) -> tuple[date | None, tuple[str, ...]]:
    found = read(kind, {"dateOfBirth": written}, reading)
    return found.date_of_birth, found.omissions


@both_formats
@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("/Date(28425600000+0000)/", date(1970, 11, 26)),
        ("/Date(28425600000)/", date(1970, 11, 26)),
        ("/Date(-28425600000+0000)/", date(1969, 2, 6)),
        ("/Date(28378800000+1300)/", date(1970, 11, 26)),
        ("1970-11-26T00:00:00Z", date(1970, 11, 26)),
        ("1970-11-26T00:00:00.000+11:00", date(1970, 11, 26)),
        ("1970-11-26 23:30:00 -0500", date(1970, 11, 26)),
        ("19701126", date(1970, 11, 26)),
    ],
)
def test_a_date_is_the_one_that_was_written(kind: Format, written: str, meant: date) -> None:
    assert born(kind, written) == (meant, ())


@both_formats
@pytest.mark.parametrize(
    "written",
    [SECRET, "1970-02-31", "26 Nov", "/Date(28378800000)/", "/Date(999999999999999)/", "2026-11-29", "2999-01-01"],
)
def test_a_birth_date_that_cannot_be_is_left_out_and_named(kind: Format, written: str) -> None:
    assert born(kind, written) == (None, ("dateOfBirth",))


@both_formats
@pytest.mark.parametrize("written", ["26/11/1970", "26.11.1970", "26-11-1970 00:00:00"])
def test_a_day_before_its_month_is_a_date_only_where_everybody_writes_so(kind: Format, written: str) -> None:
    assert born(kind, written, AUSTRALIA) == (date(1970, 11, 26), ())
    assert born(kind, written, SOMEWHERE) == (None, ("dateOfBirth",))


@both_formats
@pytest.mark.parametrize("written", ["0001-01-01", "1753-01-01", "1900-01-01T00:00:00", "0000-00-00", "9999-12-31"])
def test_the_dates_that_mean_none_are_none(kind: Format, written: str) -> None:
    assert born(kind, written) == (None, ())


@both_formats
@pytest.mark.parametrize("written", ["0001-01-01", "0001-01-01T00:00:00", "/Date(-62135596800000)/", "9999-12-31"])
def test_a_relationship_without_an_end_has_none(kind: Format, written: str) -> None:
    (tie,) = read(kind, {"relationships": [{**TIE, "endDate": written}]}).relationships
    assert tie.end_date is None


@both_formats
@pytest.mark.parametrize(
    ("odd", "field"),
    [
        ({"numberOfShares": "1,000"}, "numberOfShares"),
        ({"numberOfShares": "1.5"}, "numberOfShares"),
        ({"numberOfShares": "-3"}, "numberOfShares"),
        ({"numberOfShares": "1e999999"}, "numberOfShares"),
        ({"percentage": "33,33"}, "percentage"),
        ({"percentage": "50%"}, "percentage"),
        ({"percentage": "NaN"}, "percentage"),
        ({"percentage": "100000"}, "percentage"),
        ({"startDate": "soon"}, "startDate"),
        ({"uuid": SECRET}, "uuid"),
    ],
)
def test_only_the_value_of_a_relationship_is_left_out(kind: Format, odd: dict[str, Any], field: str) -> None:
    good = {"numberOfShares": "7", "percentage": "12.5", "startDate": "2011-01-01"}
    found = read(kind, {"relationships": [{**TIE, **good, **odd}]})
    assert found.omissions == (f"relationships.{field}",)
    (tie,) = found.relationships
    assert tie.omissions == (field,)
    values = {"numberOfShares": tie.number_of_shares, "percentage": tie.percentage, "startDate": tie.start_date}
    meant: dict[str, Any] = {"numberOfShares": 7, "percentage": Decimal("12.5"), "startDate": date(2011, 1, 1)}
    assert values == {**meant, **({field: None} if field in meant else {})}


@both_formats
@pytest.mark.parametrize(
    ("row", "omissions"),
    [
        ({"type": "Owner", "relatedClient": None}, ()),
        ({"type": "Owner"}, ()),
        ({"type": "Owner", "relatedClient": {"name": SECRET}}, ("relationships.relatedClient.uuid",)),
        ({"type": "Owner", "relatedClient": {"uuid": SECRET}}, ("relationships.relatedClient.uuid",)),
        ({"type": " ", "relatedClient": GROUP}, ("relationships.type",)),
        ({"type": {"name": "Owner"}, "relatedClient": GROUP}, ("relationships.type",)),
        ({"type": "Owner", "relatedClient": SECRET}, ("relationships.relatedClient",)),
        ({"type": "Owner", "relatedClient": str(UUID(int=7))}, ("relationships.relatedClient",)),
        ({"type": "Owner", "relatedClient": "x" * (MAX_TEXT + 1)}, ("relationships.relatedClient",)),
        ({"type": "Owner", "relatedClient": {"person": GROUP}}, ("relationships.relatedClient",)),
        ({"type": "Owner", "relatedClient": [GROUP]}, ("relationships.relatedClient",)),
        (
            {"type": "Owner", "relatedClient": {"uuid": {"value": str(UUID(int=7))}}},
            ("relationships.relatedClient.uuid",),
        ),
        (SECRET, ("relationships",)),
        (7, ("relationships",)),
        ("x" * (MAX_TEXT + 1), ("relationships",)),
        ({"note": SECRET}, ("relationships",)),
        ([TIE], ("relationships",)),
        ({}, ()),
        (None, ()),
        (" ", ()),
    ],
)
def test_a_relationship_that_cannot_be_read_leaves_the_others(
    kind: Format, row: dict[str, Any], omissions: tuple[str, ...]
) -> None:
    found = read(kind, {"relationships": [TIE, row, {**TIE, "type": "Director"}]})
    assert [tie.label for tie in found.relationships] == ["Owner", "Director"]
    assert found.omissions == omissions


@both_formats
@pytest.mark.parametrize(
    "written", ["see notes", 0, "x" * (MAX_TEXT + 1), {"note": "see notes"}, ["see notes"], [["see notes"]], [[TIE]]]
)
@pytest.mark.parametrize("field", ["relationships", "groups"])
def test_what_stands_in_place_of_a_list_is_named(kind: Format, written: Any, field: str) -> None:
    found = read(kind, {field: written})
    assert (found.relationships if field == "relationships" else found.groups) == ()
    assert found.omissions == (field,)


@both_formats
@pytest.mark.parametrize("written", [None, "", " ", "\t\n", [], {}, [None], [{}], ["", {}]])
@pytest.mark.parametrize("field", ["relationships", "groups"])
def test_nothing_in_place_of_a_list_is_an_empty_list(kind: Format, written: Any, field: str) -> None:
    found = read(kind, {field: written})
    assert (found.relationships if field == "relationships" else found.groups) == ()
    assert found.omissions == ()


@both_formats
@pytest.mark.parametrize("written", [{"number": "1"}, {"number": {"of": "1"}}, ["1"], [["1"]], [{"number": "1"}]])
@pytest.mark.parametrize("field", ["phone", "address", "email", "dateOfBirth", "isArchived"])
def test_an_object_or_a_list_in_place_of_a_text_is_left_out_and_named(kind: Format, written: Any, field: str) -> None:
    assert read(kind, {field: written}).omissions == (field,)
    assert read(kind, {field: {}}).omissions == read(kind, {field: []}).omissions == ()


@both_formats
def test_a_related_client_may_have_no_name(kind: Format) -> None:
    (tie,) = read(kind, {"relationships": [{"type": "Owner", "relatedClient": {**GROUP, "name": ""}}]}).relationships
    assert (tie.related_uuid, tie.related_name) == (UUID(int=5), "")


@both_formats
@pytest.mark.parametrize(
    ("row", "omissions"),
    [
        ({"uuid": None, "name": None}, ()),
        ({"name": SECRET}, ("groups.uuid",)),
        ({"uuid": SECRET, "name": SECRET}, ("groups.uuid",)),
        ({"uuid": str(UUID(int=6))}, ("groups.name",)),
        ("VIP", ("groups",)),
        (str(UUID(int=6)), ("groups",)),
        ([GROUP], ("groups",)),
        ({"label": "VIP"}, ("groups",)),
        ("", ()),
    ],
)
def test_a_group_that_cannot_be_read_leaves_the_others(kind: Format, row: Any, omissions: tuple[str, ...]) -> None:
    found = read(kind, {"groups": [GROUP, row]})
    assert [group.uuid for group in found.groups] == [UUID(int=5)]
    assert found.omissions == omissions


@both_formats
@pytest.mark.parametrize(
    ("written", "meant"), [("N", False), ("0", False), ("false", False), ("No", False), ("Y", True), ("1", True)]
)
def test_a_flag_is_read_in_every_spelling(kind: Format, written: str, meant: bool) -> None:
    found = read(kind, {"isArchived": written})
    assert (found.is_archived, found.omissions) == (meant, ())


@both_formats
def test_a_flag_that_is_neither_is_left_out_and_named(kind: Format) -> None:
    found = read(kind, {"isArchived": SECRET})
    assert (found.is_archived, found.omissions) == (False, ("isArchived",))


@both_formats
@pytest.mark.parametrize("field", ["phone", "address", "email", "dateOfBirth"])
def test_a_text_without_end_is_left_out_and_named(kind: Format, field: str) -> None:
    assert read(kind, {field: "x" * (MAX_TEXT + 1)}).omissions == (field,)


@both_formats
@pytest.mark.parametrize("broken", [{"uuid": SECRET}, {"name": None}, {"name": "x" * (MAX_TEXT + 1)}])
def test_one_unreadable_record_of_a_list_leaves_the_others(kind: Format, broken: dict[str, Any]) -> None:
    rows = [as_tree(ACME), {**as_tree(BLOGGS), **broken}, as_tree(ACME)]
    noted: list[Unreadable] = []
    body = encode({"status": "OK", "clients": rows}, kind)
    assert list(decode_clients(CONTENT_TYPES[kind], iter([body]), noted.append)) == [ACME, ACME]
    assert noted[0].uuid == (None if "uuid" in broken else BLOGGS.uuid)
    assert next(iter(broken)) in noted[0].problem
    assert SECRET not in noted[0].problem


@both_formats
def test_a_record_with_too_many_fields_leaves_the_others(kind: Format, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xpm.wire.envelope.MAX_VALUES", 60)
    crowd = {**as_tree(BLOGGS), "groups": [GROUP] * 40}
    noted: list[Unreadable] = []
    body = encode({"status": "OK", "clients": [as_tree(ACME), crowd, as_tree(ACME)]}, kind)
    assert list(decode_clients(CONTENT_TYPES[kind], iter([body]), noted.append)) == [ACME, ACME]
    assert [each.uuid for each in noted] == [BLOGGS.uuid]


@both_formats
@pytest.mark.parametrize("field", ["notes", "phone", "relationships"])
def test_a_record_that_nests_too_deeply_leaves_the_others(kind: Format, field: str) -> None:
    deep: Any = SECRET
    for _ in range(MAX_DEPTH):
        deep = [deep] if field == "relationships" else {"note": deep}
    noted: list[Unreadable] = []
    rows = [as_tree(ACME), {**as_tree(BLOGGS), field: deep}, as_tree(ACME)]
    body = encode({"status": "OK", "clients": rows}, kind)
    assert list(decode_clients(CONTENT_TYPES[kind], cut(body, 100), noted.append)) == [ACME, ACME]
    assert noted == [Unreadable(BLOGGS.uuid, f"client {BLOGGS.uuid} nests too deeply")]


@both_formats
def test_a_text_in_place_of_the_clients_is_not_an_empty_list(kind: Format) -> None:
    with pytest.raises(XpmMalformed):
        many(encode({"status": "OK", "clients": "Service busy"}, kind), CONTENT_TYPES[kind])


FORBIDDEN = ("\x0b", "\x1f", "&#11;", "&#x1F;", "&#xD83D;", "&#x0;", "\ufffe", "&#65535;")


@pytest.mark.parametrize("size", [1, 7, 65_536])
@pytest.mark.parametrize("character", FORBIDDEN)
@pytest.mark.parametrize("charset", ["utf-8", "utf-16-le", "utf-16"])
def test_characters_that_xml_forbids_are_dropped_from_xml(character: str, size: int, charset: str) -> None:
    sent = [replace(ACME, uuid=UUID(int=at), name="Zoë & Co") for at in range(1, 5)]
    text = encode_list(sent, "xml").decode().replace("Zoë &amp; Co</Name>", f"Zoë{character} &amp;&#32;Co</Name>")
    assert character in text
    assert list(decode_clients(XML, cut(text.encode(charset), size))) == sent


#: What may be written in an XML text, and what it is read as. Nothing in a CDATA section is a reference.
AMPERSANDS = {
    "Smith & Jones": "Smith & Jones",
    "Smith &amp; Jones": "Smith & Jones",
    "&": "&",
    "A&B&&amp;C": "A&B&&C",
    "Smith&nbsp;Jones": "Smith&nbsp;Jones",
    "Smith &amp;nbsp; Jones": "Smith &nbsp; Jones",
    "&CounterClockwiseContourIntegral;": "&CounterClockwiseContourIntegral;",
    "&lt;b&gt; &quot;&apos;&#65;&#x42;": "<b> \"'AB",
    "&#; &#x; &#xZ; &#65 &# &amp &;": "&#; &#x; &#xZ; &#65 &# &amp &;",
    "&am&#11;p; &#1&amp;1;": "&amp; &#1&1;",
    "<![CDATA[Smith & Jones &amp; &#11; ]]]> & &amp; Co": "Smith & Jones &amp; &#11; ] & & Co",
    "<![CDATA[]]>&<![CDATA[<![CDATA[ &]]>&": "&<![CDATA[ &&",
    "<!-- <![CDATA[ -->A &amp; B<!-- ]]> & -->": "A & B",
}


#: The first piece of a body is longer than the others, so the name in question is in the second client.
THREE = [BLOGGS, replace(ACME, name="_"), BLOGGS]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 11, 16, 65_536])
@pytest.mark.parametrize(("written", "meant"), AMPERSANDS.items())
def test_an_ampersand_that_begins_no_reference_is_one(written: str, meant: str, size: int) -> None:
    body = encode_list(THREE, "xml").decode().replace("<Name>_<", f"<Name>{written}<")
    assert list(decode_clients(XML, cut(body.encode(), size))) == [BLOGGS, replace(ACME, name=meant), BLOGGS]


@unhurried
@given(
    parts=st.lists(st.sampled_from([*"&;#x]> 1", "amp", "&amp;", "&#65;", "<![CDATA[x&]]>", "]]", "é"]), max_size=12),
    sizes=st.tuples(st.integers(1, 40), st.just(65_536)),
)
def test_it_makes_no_difference_where_xml_is_cut(parts: list[str], sizes: tuple[int, int]) -> None:
    written = "".join(parts).replace("]]>", "]]&gt;").replace("x&]]&gt;", "x&]]>")
    body = encode_list(THREE, "xml").decode().replace("<Name>_<", f"<Name>_{written}<")
    in_pieces, whole = (list(decode_clients(XML, cut(body.encode(), size))) for size in sizes)
    assert in_pieces == whole
    assert [whole[0], *whole[2:]] == [BLOGGS, BLOGGS]


#: Ways in which a long text may end.
ENDINGS = ["", "\\", "\\" * 7 + '"', '"', "\n", '\\","name":"x', "\u2028", "\U0001f600"]


@pytest.mark.parametrize("size", [999, 65_536])
@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("field", ["phone", "notes", "name"])
def test_a_text_in_json_that_nearly_never_ends_costs_no_other_client(
    field: str, ending: str, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xpm.wire.decode.MAX_TOKEN_BYTES", 200_000)
    noted: list[Unreadable] = []
    long = ("Zoë\\" * 50_000)[len(ending) :] * 2 + ending
    rows = [as_tree(ACME), {**as_tree(BLOGGS), field: long}, as_tree(ACME)]
    found = list(decode_clients(JSON, cut(json.dumps({"clients": rows, "status": "OK"}).encode(), size), noted.append))
    assert (found[0], found[-1]) == (ACME, ACME)
    assert [each.omissions for each in found[1:-1]] == {"phone": [("phone",)], "notes": [()], "name": []}[field]
    assert len(noted) == (field == "name")


@pytest.mark.parametrize("filler", [" ", "1"])
def test_what_never_ends_in_json_and_is_no_text_ends_the_list(filler: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xpm.wire.decode.MAX_TOKEN_BYTES", 200_000)
    body = json.dumps({"clients": [{**as_tree(ACME), "taxNumber": [1, 2, "x"]}], "status": "OK"})
    with pytest.raises(XpmMalformed):
        many(body.replace("[1, ", "[1, " + filler * 500_000), JSON)


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 11, 65_536])
def test_lone_surrogates_are_dropped_from_json(size: int) -> None:
    sent = "\\ud83d \\ud83d\\ude00 \\udE00\\\\ud83d \\\\\\ud800\\u00eb \\ud83d\\ud83d\\ude00"
    body = encode_list([replace(ACME, name="_")], "json").replace(b'"_"', f'"{sent}"'.encode())
    (found,) = decode_clients(JSON, cut(body, size))
    assert found.name == "\U0001f600 \\ud83d \\\xeb \U0001f600"


@pytest.mark.parametrize("declared", ["utf-16", "UTF-16", "utf-16le"])
@pytest.mark.parametrize("size", [1, 65_536])
def test_utf_8_that_declares_itself_as_utf_16_is_read_as_utf_8(declared: str, size: int) -> None:
    client = replace(ACME, name="Zoë")
    body = encode_list([client], "xml").replace(b'encoding="utf-8"', f'encoding="{declared}"'.encode())
    assert list(decode_clients(XML, cut(body, size))) == [client]


@both_formats
def test_bytes_that_are_no_characters_leave_the_rest(kind: Format) -> None:
    body = encode_list([replace(ACME, name="Zo_"), BLOGGS], kind).replace(b"Zo_", b"Zo\xeb")
    assert many(body, CONTENT_TYPES[kind]) == [replace(ACME, name="Zo\ufffd"), BLOGGS]


@both_formats
@pytest.mark.parametrize("between", ["\n", "\r\n", " \t\n ", "\u2028", "\x85"])
def test_a_name_has_no_line_breaks(kind: Format, between: str) -> None:
    name = f'=HYPERLINK("x"){between}Bcc: {SECRET}'
    found = read(kind, {"name": name, "firstName": name, "address": f"1 Quay St{between}Auckland"})
    assert found.name == found.first_name == f'=HYPERLINK("x") Bcc: {SECRET}'
    assert found.address.street is not None
    assert "\r" not in found.address.street


ODD = st.none() | st.text(st.characters(exclude_categories=("Co", "Cs")), max_size=12) | st.sampled_from([
    "N", "1,000", "33,33", "/Date(28425600000+0000)/", "0001-01-01", "26/11/1970", "1900-01-01", "a\x0bb\x1f", "x\ud800",
    "x\r\ny\u2028z", "mailto:a@b.example", str(UUID(int=7)),
])  # fmt: skip
#: What may stand where something of another shape is expected.
SHAPES = ODD | st.integers() | st.booleans() | st.recursive(
    ODD,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["uuid", "name", "other"]), inner),
    max_leaves=3,
)  # fmt: skip
PLAIN = [name for name, value in as_tree(ACME).items() if not isinstance(value, dict | list)]
NAMED = SHAPES | st.fixed_dictionaries({}, optional={"uuid": SHAPES, "name": SHAPES})
ROW = SHAPES | st.fixed_dictionaries({}, optional={
    **dict.fromkeys(("uuid", "type", "numberOfShares", "percentage", "startDate", "endDate"), SHAPES),
    "relatedClient": NAMED,
})  # fmt: skip
FOUND = tuple[list[XpmClient], list[Unreadable]]


@unhurried
@given(
    client=clients,
    odd=st.dictionaries(st.sampled_from(PLAIN), SHAPES, max_size=4),
    groups=SHAPES | st.lists(NAMED, max_size=2),
    ties=SHAPES | st.lists(ROW, max_size=2),
    size=st.integers(1, 5000),
)
def test_xml_and_json_give_the_same_record_and_the_same_omissions(
    client: XpmClient, odd: dict[str, Any], groups: Any, ties: Any, size: int
) -> None:
    tree = as_tree(client)
    rows = {"groups": _after(tree["groups"], groups), "relationships": _after(tree["relationships"], ties)}
    answer = {"status": "OK", "clients": [as_tree(ACME), {**tree, **odd, **rows}, as_tree(ACME)]}
    from_xml = found_in(as_xml(answer), XML, size)
    assert from_xml == found_in(json.dumps(answer).encode(), JSON, size)
    assert (from_xml[0][0], from_xml[0][-1]) == (ACME, ACME)


def _after(rows: list[Any], odd: Any) -> Any:
    """Odd rows after the good ones, or what stands in place of all."""
    return rows + odd if isinstance(odd, list) else odd


def found_in(body: bytes, content_type: str, size: int) -> FOUND:
    noted: list[Unreadable] = []
    return list(decode_clients(content_type, cut(body, size), noted.append, SOMEWHERE)), noted


#: Characters that only a reference can stand for in XML, and private ones in their place until the tree is written.
_REFERRED = {
    code: 0xF000 + at for at, code in enumerate((*range(9), 0xB, 0xC, 0xD, *range(0xE, 0x20), 0xD800, 0xFFFE, 0xFFFF))
}


def as_xml(tree: Any) -> bytes:
    """The tree as XML that has references where it can have no characters."""
    text = encode(_translated(tree), "xml").decode()
    return text.translate({private: f"&#{code};" for code, private in _REFERRED.items()}).encode()


def _translated(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {name: _translated(value) for name, value in tree.items()}
    if isinstance(tree, list):
        return [_translated(value) for value in tree]
    if isinstance(tree, bool):
        return str(tree).lower()
    return tree.translate(_REFERRED) if isinstance(tree, str) else tree
