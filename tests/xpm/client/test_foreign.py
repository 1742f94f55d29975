"""Whatever is not XPM's word is foreign, whichever status and type it comes with: it decides nothing, and is tried again."""

from __future__ import annotations

import json

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.errors import Transient, from_xpm
from tests.xpm.client.encoding import CONTENT_TYPES, Format, encode_list
from tests.xpm.client.upstream import ACME, BLOGGS, Upstream, acme, answer, get, read_list
from xpm.client import ATTEMPTS
from xpm.errors import XpmError, XpmForeign
from xpm.wire.envelope import _XPMS

PAGE = b"<!DOCTYPE html><html><head><title>Blocked</title></head><body>Ask your administrator</body></html>"
HTML, JSON, XML = "text/html", "application/json", "text/xml"

bodies = st.one_of(
    st.binary(max_size=300),
    st.text(max_size=200).map(str.encode),
    st.sampled_from([b"", b"  ", b"OK", PAGE, b"<html/>", b"<error>no</error>", b"[]", b"{}", b"null", b"%PDF-1.7"]),
    st.recursive(
        st.none() | st.integers() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=8,
    )
    .filter(lambda tree: not (isinstance(tree, dict) and {name.lower() for name in tree} & _XPMS))
    .map(lambda tree: json.dumps(tree).encode()),
)
types = st.sampled_from([HTML, JSON, XML, "text/plain", "application/problem+json", ""])
statuses = st.sampled_from([200, 201, 204, 301, 302, 303, 307, 308, 400, 401, 403, 404, 407, 451, 500, 502, 503, 511])


@given(status=statuses, body=bodies, content_type=types)
def test_no_body_but_xpms_ends_anything_at_its_first_occurrence(status: int, body: bytes, content_type: str) -> None:
    def foreign() -> httpx.Response:
        return httpx.Response(status, content=body, headers={"content-type": content_type} if content_type else {})

    for read in (get, read_list):
        # When something in between answers every try, the job is told to come again
        with pytest.raises(XpmError) as caught:
            read(Upstream(*(foreign() for _ in range(ATTEMPTS))).api())
        assert isinstance(from_xpm(caught.value), Transient)


@pytest.mark.parametrize(
    "reply",
    [
        httpx.Response(200, content=PAGE, headers={"content-type": HTML}),
        httpx.Response(200, content=PAGE, headers={"content-type": XML}),
        httpx.Response(302, headers={"location": "https://portal.hotel.test"}),
        httpx.Response(204),
        answer(b"", "json"),
        answer(b'{"status": "blocked"}', "json"),
        httpx.Response(403, content=PAGE),
        httpx.Response(401, content=b"", headers={"www-authenticate": 'Basic realm="proxy"'}),
    ],
)
def test_a_list_answered_once_by_something_else_is_read_at_the_second_try(reply: httpx.Response) -> None:
    upstream = Upstream(reply, answer(encode_list([ACME, BLOGGS], "json")))
    assert read_list(upstream.api())[0] == [ACME, BLOGGS]
    assert len(upstream.requests) == 2


@pytest.mark.parametrize("kind", ["json", "xml"])
def test_a_page_in_a_body_of_the_right_type_is_foreign_and_quotes_nothing(kind: Format) -> None:
    reply = httpx.Response(200, content=PAGE, headers={"content-type": CONTENT_TYPES[kind]})
    with pytest.raises(XpmForeign) as caught:
        get(Upstream(*[reply] * ATTEMPTS).api())
    assert "administrator" not in str(caught.value)


def test_an_answer_of_xpm_is_never_foreign() -> None:
    assert get(Upstream(acme("xml")).api()).value == ACME
