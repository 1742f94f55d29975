"""The body of an answer as it was before it was compressed, in pieces of bounded size.

httpx unpacks a piece whole, and once for each name in `Content-Encoding`, so a few kilobytes that were compressed twice fill
the memory before anybody can count them. Here one gzip is unpacked, and never more at a time than is asked for.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import httpx

PIECE_BYTES = 64 * 1024


class BadCompression(Exception):
    """The body is compressed in a way that we do not accept, or its compression is broken."""


class EndsEarly(BadCompression):
    """The body ended before its compression did."""


def unpacked(response: httpx.Response) -> Iterator[bytes]:
    """The pieces of an answer's body. The stream's own exceptions pass through.

    Raises:
        BadCompression: it is neither plain nor one whole gzip.
    """
    stream = response.stream
    if not isinstance(stream, httpx.SyncByteStream):
        raise TypeError("An asynchronous answer was given to a synchronous reader.")
    named = [name.strip().lower() for name in response.headers.get("content-encoding", "").split(",")]
    applied = [name for name in named if name not in ("", "identity")]
    if not applied:
        yield from stream
    elif applied in (["gzip"], ["x-gzip"]):
        yield from _gunzipped(stream)
    else:
        raise BadCompression


def _gunzipped(stream: httpx.SyncByteStream) -> Iterator[bytes]:
    gzip = zlib.decompressobj(zlib.MAX_WBITS | 16)
    for packed in stream:
        while packed:
            if gzip.eof:  # more after the end: what of it belongs to the body, nobody can say
                raise BadCompression
            try:
                piece = gzip.decompress(packed, PIECE_BYTES)
            except zlib.error:
                raise BadCompression from None
            if piece:
                yield piece
            packed = gzip.unconsumed_tail or gzip.unused_data
    if not gzip.eof:
        raise EndsEarly
