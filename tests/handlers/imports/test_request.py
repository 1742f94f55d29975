"""Reading a request: typed and bounded, refused by field, and never repeated in the refusal."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handlers.errors import RequestRefused
from handlers.fields import MAX_FIELD
from handlers.imports.request import ImportRequest, parse
from portal_db.states import ClientKind, EntityType

PERSON: dict[str, Any] = {
    "practice_id": str(uuid4()),
    "requested_by": str(uuid4()),
    "request_id": "window-1",
    "xpm_uuid": str(uuid4()),
    "kind": "individual",
}
ENTITY = PERSON | {"kind": "entity"}


def refusal_of(fields: dict[str, Any]) -> RequestRefused:
    with pytest.raises(RequestRefused) as refused:
        parse(fields)
    assert refused.value.code == "bad_request"
    assert refused.value.remedy
    return refused.value


def test_what_is_left_out_has_the_documented_default() -> None:
    request = parse(PERSON)
    assert request.kind is ClientKind.INDIVIDUAL
    assert (request.name, request.email, request.entity_type, request.client_type, request.subscription) == (None,) * 5
    assert (request.send_welcome_email, request.bring_details, request.bring_relationships) == (False, True, True)


@pytest.mark.parametrize("field", ["practice_id", "requested_by", "request_id", "xpm_uuid", "kind"])
def test_what_cannot_be_left_out_is_named(field: str) -> None:
    refused = refusal_of({name: value for name, value in PERSON.items() if name != field})
    assert refused.field == field
    assert field in refused.message


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("practice_id", "harbour"),
        ("practice_id", 12),
        ("practice_id", None),
        ("requested_by", ["a", "list"]),
        ("xpm_uuid", {"an": "object"}),
        ("kind", "Individual"),
        ("kind", "company"),
        ("name", 7),
        ("name", b"\xff\xfe"),
        ("email", ["a@mail.example"]),
        ("client_type", "business"),
        ("subscription", "Gold"),
        ("send_welcome_email", "perhaps"),
        ("bring_details", 3),
        ("request_id", 17),
        ("unheard_of", "value"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_by_field(field: str, value: object) -> None:
    refused = refusal_of(PERSON | {field: value})
    assert refused.field is not None
    assert refused.field.split(".")[0] == field


@pytest.mark.parametrize(
    ("kind", "field", "longest"),
    [
        ("individual", "request_id", 200),
        ("individual", "name", 80),
        ("entity", "name", 500),
        ("individual", "email", 320),
    ],
)
def test_how_long_a_text_may_be(kind: str, field: str, longest: int) -> None:
    sent = PERSON | {"kind": kind}
    assert getattr(parse(sent | {field: "é" * longest}), field) == "é" * longest
    assert refusal_of(sent | {field: "é" * (longest + 1)}).field == field


@pytest.mark.parametrize(
    "name",
    ["Win at https://evil.example", "see WWW evil", "Go to evil.example/win", "evil\uff0eexample", "evil\u3002cn"],
    ids=["scheme", "www", "domain", "wide stop", "ideographic stop"],
)
def test_a_person_s_name_is_no_message_of_somebody_else_s(name: str) -> None:
    """The welcome email greets them by it, from our sender."""
    refused = refusal_of(PERSON | {"name": name})
    assert refused.field == "name"
    assert "web address" in refused.message
    assert parse(ENTITY | {"name": name}).name == name, "an entity gets no email"


@pytest.mark.parametrize("name", ["J. R. Smith", "Smith, J.", "Dr. Ada M. Moss Ph.D.", "M.\u00a0de Souza"])
def test_a_person_s_name_may_have_initials_and_titles(name: str) -> None:
    assert parse(PERSON | {"name": name}).name == name


@pytest.mark.parametrize("field", ["request_id", "name", "email"])
@pytest.mark.parametrize(
    "sent", ["", "  ", "\n", "a\nb", "a\r\nb", "a\tb", "a\0b", "a\x1bb", "a\x7fb", "a\x85b", "a\ud800b"]
)
def test_a_text_is_one_line_of_something(field: str, sent: str) -> None:
    assert refusal_of(PERSON | {field: sent}).field == field


@pytest.mark.parametrize(
    "name", ["דוד כהן", "محمد حسن", "Zoë 🐾", "<b>\"A\" & 'B'</b> ]]>", "👩‍👩‍👧", "ﷺ", "O\u2019Neill"]
)
def test_a_name_of_any_script_is_taken_as_it_is(name: str) -> None:
    assert parse(PERSON | {"name": f"  {name} "}).name == name


def test_a_refusal_does_not_repeat_what_was_sent() -> None:
    for field, value in (("email", "ada\n@secret.example"), ("name", "Secret\0Ada"), ("kind", "secret")):
        refused = refusal_of(PERSON | {field: value})
        assert "secret" not in f"{refused.message} {refused.remedy} {refused}".casefold()
        assert refused.__suppress_context__, "the library's error, which holds the value, hangs on it"


@pytest.mark.parametrize("entity_type", list(EntityType))
def test_an_entity_may_be_of_any_of_the_nine_types(entity_type: EntityType) -> None:
    assert parse(ENTITY | {"entity_type": str(entity_type)}).entity_type is entity_type
    assert refusal_of(PERSON | {"entity_type": str(entity_type)}).field == "entity_type"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "a@mail.example"),
        ("client_type", "Personal"),
        ("subscription", "Pro"),
        ("send_welcome_email", True),
    ],
)
def test_what_only_a_person_has(field: str, value: object) -> None:
    """b.3, b.6: an entity has no login, so no email, no subscription and no welcome."""
    assert getattr(parse(PERSON | {field: value}), field) == value
    refused = refusal_of(ENTITY | {field: value})
    assert refused.field == field
    assert "individuals only" in refused.message


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=4,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # the machine may be busy
@given(st.dictionaries(st.sampled_from([*ImportRequest.model_fields, "other"]), anything))
def test_whatever_is_sent_is_taken_or_refused(changes: dict[str, Any]) -> None:
    try:
        request = parse(PERSON | changes)
    except RequestRefused:
        return
    assert parse(request.model_dump(mode="json")) == request


@pytest.mark.parametrize("fields", [{}, {1: "a number for a name"}, {"": ""}])
def test_a_request_that_is_none(fields: dict[Any, Any]) -> None:
    refusal_of(fields)
    refusal_of({**PERSON, **fields} if fields else {})


def test_the_fingerprint_is_of_what_is_asked_for() -> None:
    """Spelled otherwise, the same; any other wish, another; the key itself does not count."""
    same = parse(PERSON | {"practice_id": PERSON["practice_id"].upper(), "request_id": "other", "name": None})
    assert same.fingerprint() == parse(PERSON).fingerprint()
    wishes: list[dict[str, Any]] = [
        {"xpm_uuid": str(uuid4())},
        {"requested_by": str(uuid4())},
        {"kind": "entity"},
        {"name": "Ada"},
        {"email": "a@mail.example"},
        {"client_type": "Personal"},
        {"subscription": "Starter"},
        {"send_welcome_email": True},
        {"bring_details": False},
        {"bring_relationships": False},
    ]
    prints = {parse(PERSON | wish).fingerprint() for wish in [{}, *wishes]}
    assert len(prints) == len(wishes) + 1


def test_an_unknown_field_is_named_in_so_many_characters_at_most() -> None:
    refused = refusal_of(PERSON | {"x" * 5_000: "1"})
    assert refused.field == "x" * MAX_FIELD
    assert len(refused.message) < 2 * MAX_FIELD
