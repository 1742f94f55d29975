"""A body's bytes to client records, in the format that its Content-Type names, one client at a time.

Memory holds one client and one piece of the body, however long the body is.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator
from email.message import Message
from typing import Protocol

from xpm.errors import XpmForeign, XpmMalformed
from xpm.records import Unreadable, XpmClient
from xpm.wire.answers import refusal
from xpm.wire.envelope import Element, Envelope
from xpm.wire.fields import client_of, uuid_of
from xpm.wire.json_events import JSON_ERRORS, JsonEvents
from xpm.wire.xml_events import XML_ERRORS, XmlEvents

PIECE_BYTES = 65_536
"""Bodies are read in pieces of at most this many bytes, so that few clients are ready at once."""
MAX_TOKEN_BYTES = 8 * 1024 * 1024
"""The most bytes without an event: a single text or tag that never ends would fill the memory."""

#: Called for a client of a list that breaks the contract, instead of an error that ends the list.
OnUnreadable = Callable[[Unreadable], None]

_BOM = b"\xef\xbb\xbf"
_MEDIA_TYPE = re.compile(r"(?:application|text)/(?:[\w.-]+\+)?(xml|json)", re.ASCII)


class _Events(Protocol):
    @property
    def events(self) -> int: ...

    def feed(self, data: bytes) -> None: ...
    def close(self) -> None: ...


class ClientStream(Iterator[XpmClient]):
    """The clients of a list or a search. The list is complete only if it ends without an exception.

    A client that breaks the contract ends it, unless there is an `unreadable` to call.
    Raises, at any `next()`: `XpmForeign` for a body that is not XPM's;
    `XpmMalformed` for one that breaks the contract, or at its early end (`truncated`);
    `XpmNotFound` or `XpmRefused` for `Status=ERROR`; and whatever reading `chunks` raises.
    """

    def __init__(self, content_type: str, chunks: Iterator[bytes], unreadable: OnUnreadable | None = None) -> None:
        self._envelope = Envelope()
        self._unreadable = unreadable
        self._clients = self._decode(content_type, chunks)

    def __next__(self) -> XpmClient:
        try:
            return next(self._clients)
        except XpmMalformed as error:
            if error.truncated or self._envelope.recognised:
                raise
            problem = error.problem
        raise XpmForeign(problem)  # outside of the handler, so that nothing of the body hangs on it

    def _decode(self, content_type: str, chunks: Iterator[bytes]) -> Iterator[XpmClient]:
        pieces = _pieces(chunks)
        first = next(pieces, b"")
        if not first.strip():
            raise XpmForeign("it is empty")
        events = _events_for(content_type, self._envelope, has_bom=first.startswith(_BOM))
        silent = 0
        for piece in _chain(first.removeprefix(_BOM), pieces):
            before = events.events
            _feed(events, piece)
            silent = silent + len(piece) if events.events == before else 0
            if silent > MAX_TOKEN_BYTES:
                raise XpmMalformed(f"a text is longer than {MAX_TOKEN_BYTES} bytes")
            yield from self._take()
        _close(events)
        yield from self._take()
        self._judge()

    def _take(self) -> Iterator[XpmClient]:
        ready, self._envelope.clients = self._envelope.clients, []
        for element in ready:
            record = self._read(element)
            if record is not None:
                yield record

    def _read(self, element: Element) -> XpmClient | None:
        try:
            return client_of(element)
        except XpmMalformed as error:
            if self._unreadable is None:
                raise
            self._unreadable(Unreadable(uuid_of(element), str(error)))
            return None

    def _judge(self) -> None:
        status = (self._envelope.value("status") or "").upper()
        if status == "ERROR":
            raise refusal(200, self._envelope.value("errordescription"))
        if not status or not self._envelope.complete:
            raise XpmMalformed("it ended without a status", truncated=True)
        if status != "OK":
            raise XpmForeign("its status is neither OK nor ERROR")


def decode_clients(content_type: str, chunks: Iterator[bytes], unreadable: OnUnreadable | None = None) -> ClientStream:
    """The clients of a list, search or page, streamed; see `ClientStream` for what is raised, and when."""
    return ClientStream(content_type, chunks, unreadable)


def decode_client(content_type: str, chunks: Iterator[bytes]) -> XpmClient:
    """The one client of a `get`. Raises as `ClientStream` does, and `XpmMalformed` unless there is exactly one."""
    clients = list(decode_clients(content_type, chunks))
    if len(clients) != 1:
        raise XpmMalformed(f"it holds {len(clients)} clients instead of the one requested")
    return clients[0]


def _pieces(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The body in pieces of 3 to `PIECE_BYTES` bytes (the last may be shorter), so that the first shows a whole BOM."""
    held = b""
    for chunk in chunks:
        held += chunk
        if len(held) >= len(_BOM):
            yield from (held[at : at + PIECE_BYTES] for at in range(0, len(held), PIECE_BYTES))
            held = b""
    if held:
        yield held


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from rest


def _events_for(content_type: str, envelope: Envelope, *, has_bom: bool) -> _Events:
    header = Message()
    header["Content-Type"] = content_type
    match = _MEDIA_TYPE.fullmatch(header.get_content_type())
    if not match or not content_type:
        raise XpmMalformed("its content type is neither XML nor JSON")
    charset = "utf-8" if has_bom else _known_charset(header.get_content_charset())
    if match[1] == "xml":
        return XmlEvents(envelope, charset)
    if charset not in (None, "utf-8", "ascii"):
        raise XpmMalformed("it is JSON in another character set than UTF-8")
    return JsonEvents(envelope)


def _known_charset(charset: str | None) -> str | None:
    """The character set's standard name. A body without one declares its own (XML) or is UTF-8 (JSON)."""
    try:
        return codecs.lookup(charset).name if charset else None
    except (LookupError, ValueError):
        raise XpmMalformed("its character set is unknown") from None


def _feed(events: _Events, piece: bytes) -> None:
    try:
        return events.feed(piece)
    except (*XML_ERRORS, *JSON_ERRORS):
        pass  # Raised below, outside of the handler: a parser's error quotes the body.
    raise XpmMalformed("it is not well-formed, or holds a document type or an entity")


def _close(events: _Events) -> None:
    try:
        return events.close()
    except (*XML_ERRORS, *JSON_ERRORS):
        pass
    raise XpmMalformed("it ended early", truncated=True)
