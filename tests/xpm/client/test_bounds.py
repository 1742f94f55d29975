"""A call never outlives its deadline, nor reads a body past its bound; clocks here move only when told."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.xpm.client.encoding import FORMATS, Format, encode_list, encode_one
from tests.xpm.client.upstream import (
    ACME,
    BookLimiter,
    Clock,
    Upstream,
    acme,
    answer,
    failure,
    get,
    read_list,
    search,
)
from xpm.client import ATTEMPTS, XpmApi
from xpm.errors import (
    XpmMalformed,
    XpmRateLimited,
    XpmTimeout,
    XpmTooLarge,
)
from xpm.wire.inflate import PIECE_BYTES, unpacked

both_formats = pytest.mark.parametrize("kind", FORMATS)


# Deadlines and sizes


def drip(clock: Clock, body: bytes, seconds: float) -> Iterator[bytes]:
    """A body whose every byte takes that long."""
    for byte in body:
        clock.seconds += seconds
        yield bytes([byte])


@both_formats
@pytest.mark.parametrize("method", [get, search, read_list])
def test_a_body_that_drips_past_the_deadline_times_out(kind: Format, method: Callable[..., Any]) -> None:
    bodies = {get: encode_one(ACME, kind), search: encode_list([ACME], kind), read_list: encode_list([ACME], kind)}
    upstream = Upstream(lambda _: answer(drip(upstream.clock, bodies[method], 1.0), kind))
    with pytest.raises(XpmTimeout):
        method(upstream.api(), deadline_seconds=20.0)
    assert upstream.clock.seconds == 1020.0
    assert upstream.limiter.written("left by") == ["XpmTimeout"]


def test_each_operation_of_a_try_is_given_the_time_left_only() -> None:
    upstream = Upstream(failure(503, Retry_After="5"), acme())
    get(upstream.api(), deadline_seconds=12.0)
    first, second = (request.extensions["timeout"] for request in upstream.requests)
    assert first == {"connect": 10.0, "read": 12.0, "write": 12.0, "pool": 12.0}
    assert second == {"connect": 7.0, "read": 7.0, "write": 7.0, "pool": 7.0}


def test_a_slow_limiter_uses_up_the_deadline_too() -> None:
    upstream = Upstream(acme())

    class Slow(BookLimiter):
        def acquire(self, *args: Any, **names: Any) -> Any:
            upstream.clock.seconds += 60
            return super().acquire(*args, **names)

    upstream.limiter = Slow()
    with pytest.raises(XpmTimeout):
        get(upstream.api())
    assert upstream.requests == []


def test_an_errors_body_that_drips_does_not_hide_the_error() -> None:
    upstream = Upstream(lambda _: answer(drip(upstream.clock, b"x" * 100, 1.0), status=429))
    with pytest.raises(XpmRateLimited):
        get(upstream.api(), deadline_seconds=20.0)


@both_formats
@pytest.mark.parametrize(
    ("method", "limit"), [(get, "max_bytes"), (search, "max_bytes"), (read_list, "max_list_bytes")]
)
@pytest.mark.parametrize("packed", [True, False])
def test_a_body_past_its_bound_is_too_large(
    kind: Format, method: Callable[[XpmApi], Any], limit: str, packed: bool
) -> None:
    body = encode_one(ACME, kind) if method is get else encode_list([ACME] * 3, kind)

    def reply(_: httpx.Request) -> httpx.Response:
        return answer(gzip.compress(body), kind, content_encoding="gzip") if packed else answer(body, kind)

    fitting: dict[str, Any] = {limit: len(body)}
    tight: dict[str, Any] = {limit: len(body) - 1}
    method(Upstream(reply).api(**fitting))
    with pytest.raises(XpmTooLarge) as caught:
        method(Upstream(reply).api(**tight))
    assert caught.value.limit == len(body) - 1


@pytest.mark.parametrize("encoding", ["gzip, gzip", "gzip,gzip", "deflate", "br", "gzip, identity, gzip", "zstd"])
def test_an_answer_that_is_compressed_twice_or_otherwise_is_not_unpacked(encoding: str) -> None:
    """A few kilobytes that are compressed twice make gigabytes."""

    def reply(_: httpx.Request) -> httpx.Response:
        return answer(iter([gzip.compress(gzip.compress(b"x" * 1_000_000))]), content_encoding=encoding)

    with pytest.raises(XpmMalformed, match="compression"):
        get(Upstream(*[reply] * ATTEMPTS).api())


def test_an_answer_is_unpacked_in_pieces_that_are_counted() -> None:
    """100 MB from 100 kB: no more of them are unpacked than the bound allows, and at most a piece at a time."""
    packed, pieces = gzip.compress(b"x" * 100_000_000, 1), []
    for piece in unpacked(answer(iter([packed]), content_encoding="gzip")):
        pieces.append(len(piece))
        if sum(pieces) > 1_000_000:
            break
    assert max(pieces) <= PIECE_BYTES


@pytest.mark.parametrize("cut", ["short", "long"])
def test_an_answer_whose_compression_ends_early_or_goes_on_is_malformed(cut: str) -> None:
    packed = gzip.compress(encode_one(ACME, "json"))

    def reply(_: httpx.Request) -> httpx.Response:
        return answer(iter([packed[:-4] if cut == "short" else packed + packed]), content_encoding="gzip")

    with pytest.raises(XpmMalformed) as caught:
        get(Upstream(*[reply] * ATTEMPTS).api())
    assert caught.value.truncated is (cut == "short"), "what was cut off is read again later"
