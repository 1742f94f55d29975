"""Paged lists: following the links, and refusing those that lead away or round in a circle."""

from __future__ import annotations

from uuid import UUID

import httpx
import pytest

from tests.xpm.client.encoding import FORMATS, Format, encode_list
from tests.xpm.client.upstream import (
    ACCESS,
    ACME,
    BASE_URL,
    BLOGGS,
    Upstream,
    answer,
    failure,
)
from xpm.client import Fetched, XpmApi
from xpm.errors import (
    XpmMalformed,
)
from xpm.records import XpmClient

both_formats = pytest.mark.parametrize("kind", FORMATS)


# Pages


def page(clients: list[XpmClient], following: str | None, kind: Format = "json") -> httpx.Response:
    return answer(encode_list(clients, kind, pagination={"links": {"next": following}}), kind)


def read_pages(api: XpmApi, page_size: int = 2) -> list[Fetched[list[XpmClient]]]:
    return list(api.paged_list(ACCESS, page_size, lane="resync", deadline_seconds=60.0))


@both_formats
def test_pages_follow_the_absolute_link_to_the_last(kind: Format) -> None:
    following = f"{BASE_URL}/client.api/paged-list?pageToken=bGln%3D&pageSize=2"
    third = XpmClient(uuid=UUID(int=3), name="Third")
    upstream = Upstream(page([ACME, BLOGGS], following, kind), page([third], None, kind))
    assert [fetched.value for fetched in read_pages(upstream.api())] == [[ACME, BLOGGS], [third]]
    assert [str(request.url) for request in upstream.requests] == [
        f"{BASE_URL}/client.api/paged-list?pageSize=2",
        following,
    ]
    assert len(upstream.limiter.written("acquire")) == 2


@pytest.mark.parametrize("page_size", [0, 501, -1])
def test_a_page_size_that_xpm_refuses_is_not_sent(page_size: int) -> None:
    with pytest.raises(ValueError, match="1 to 500"):
        Upstream().api().paged_list(ACCESS, page_size, lane="resync", deadline_seconds=60.0)


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.test/practicemanager/3.1/client.api/paged-list?pageToken=a",
        "http://xpm.test/practicemanager/3.1/client.api/paged-list?pageToken=a",
        "https://xpm.test:8443/practicemanager/3.1/client.api/paged-list?pageToken=a",
        "https://xpm.test@evil.test/client.api/paged-list",
        "https://user:word@xpm.test/practicemanager/3.1/client.api/paged-list",
        "//evil.test/client.api/paged-list",
        "https://xpm.test.evil.test/client.api/paged-list",
        "https://[broken",
        "file:///etc/passwd",
    ],
)
def test_a_next_page_on_another_host_is_refused(elsewhere: str) -> None:
    upstream = Upstream(page([ACME], elsewhere), page([BLOGGS], None))
    with pytest.raises(XpmMalformed):
        read_pages(upstream.api())
    assert len(upstream.requests) == 1


def test_the_standard_port_may_be_written_out() -> None:
    following = "https://xpm.test:443/practicemanager/3.1/client.api/paged-list?pageToken=a&pageSize=2"
    assert len(read_pages(Upstream(page([ACME], following), page([BLOGGS], None)).api())) == 2


def test_pages_that_go_round_in_a_circle_are_refused() -> None:
    first = f"{BASE_URL}/client.api/paged-list?pageSize=2"
    second = f"{BASE_URL}/client.api/paged-list?pageToken=a&pageSize=2"
    upstream = Upstream(page([ACME], second), page([BLOGGS], first), page([ACME], second))
    with pytest.raises(XpmMalformed):
        read_pages(upstream.api())
    assert len(upstream.requests) == 2


def test_a_failed_page_is_tried_again_by_itself() -> None:
    following = f"{BASE_URL}/client.api/paged-list?pageToken=a&pageSize=2"
    upstream = Upstream(page([ACME], following), failure(500), page([BLOGGS], None))
    assert [fetched.value for fetched in read_pages(upstream.api())] == [[ACME], [BLOGGS]]
