"""A body's bytes to client records, in the format that its Content-Type names, one client at a time.

Memory holds one client and one piece of the body, however long the body is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from email.message import Message
from typing import Protocol

from xpm.errors import XpmForeign, XpmMalformed
from xpm.records import Unreadable, XpmClient
from xpm.wire.answers import refusal
from xpm.wire.characters import HEAD_BYTES, Characters, character_set_of
from xpm.wire.envelope import Element, Envelope
from xpm.wire.fields import Reading, client_of, uuid_of
from xpm.wire.json_events import JSON_ERRORS, JsonEvents
from xpm.wire.xml_events import XML_ERRORS, XmlEvents

PIECE_BYTES = 65_536
"""Bodies are read in pieces of at most this many bytes, so that few clients are ready at once."""
MAX_TOKEN_BYTES = 8 * 1024 * 1024
"""The most bytes without an event: a single text or tag that never ends would fill the memory. What is longer of a text
in a client in JSON is skipped; such a text counts as unreadable long before."""

#: Called for a client of a list that breaks the contract, instead of an error that ends the list.
OnUnreadable = Callable[[Unreadable], None]

_MEDIA_TYPE = re.compile(r"(?:application|text)/(?:[\w.-]+\+)?(xml|json)", re.ASCII)


class _Events(Protocol):
    @property
    def events(self) -> int: ...

    def feed(self, data: bytes) -> None: ...
    def close(self) -> None: ...


class ClientStream(Iterator[XpmClient]):
    """The clients of a list or a search. The list is complete only if it ends without an exception.

    A client without a uuid or a name that can be read ends it, unless there is an `unreadable` to call.
    Raises, at any `next()`: `XpmForeign` for a body that is not XPM's;
    `XpmMalformed` for one that breaks the contract, or at its early end (`truncated`);
    `XpmNotFound` or `XpmRefused` for `Status=ERROR`; and whatever reading `chunks` raises.
    """

    def __init__(
        self,
        content_type: str,
        chunks: Iterator[bytes],
        unreadable: OnUnreadable | None,
        reading: Reading | None,
    ) -> None:
        self._envelope = Envelope()
        self._unreadable = unreadable
        self._reading = reading or Reading.at()
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
        events, characters = _parser_for(content_type, self._envelope, first)
        silent = 0
        for piece in _chain(first, pieces):
            before = events.events
            fed = characters.feed(piece)
            _feed(events, fed)
            silent = silent + len(piece) if events.events == before and not characters.skips else 0
            if silent > MAX_TOKEN_BYTES and not (self._envelope.is_in_client and characters.skip_text(fed)):
                raise XpmMalformed(f"a text is longer than {MAX_TOKEN_BYTES} bytes")
            yield from self._take()
        _feed(events, characters.feed(b"", is_last=True))
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
            return client_of(element, self._reading)
        except XpmMalformed as error:
            if self._unreadable is None:
                raise
            self._unreadable(Unreadable(uuid_of(element), error.problem))
            return None

    def _judge(self) -> None:
        status = (self._envelope.value("status") or "").upper()
        if status == "ERROR":
            raise refusal(200, self._envelope.value("errordescription"))
        if not status or not self._envelope.complete:
            raise XpmMalformed("it ended without a status", truncated=True)
        if status != "OK":
            raise XpmForeign("its status is neither OK nor ERROR")


def decode_clients(
    content_type: str,
    chunks: Iterator[bytes],
    unreadable: OnUnreadable | None = None,
    reading: Reading | None = None,
) -> ClientStream:
    """The clients of a list, search or page, streamed; see `ClientStream` for what is raised, and when."""
    return ClientStream(content_type, chunks, unreadable, reading)


def decode_client(content_type: str, chunks: Iterator[bytes], reading: Reading | None = None) -> XpmClient:
    """The one client of a `get`. Raises as `ClientStream` does, and `XpmMalformed` unless there is exactly one."""
    clients = list(decode_clients(content_type, chunks, reading=reading))
    if len(clients) != 1:
        raise XpmMalformed(f"it holds {len(clients)} clients instead of the one requested")
    return clients[0]


def _pieces(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The body in pieces of at most `PIECE_BYTES` bytes, the first of which is long enough to show its character set."""
    held, needed = b"", HEAD_BYTES
    for chunk in chunks:
        held += chunk
        if len(held) >= needed:
            yield from (held[at : at + PIECE_BYTES] for at in range(0, len(held), PIECE_BYTES))
            held, needed = b"", 1
    if held:
        yield held


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    if first:
        yield first
    yield from rest


def _parser_for(content_type: str, envelope: Envelope, head: bytes) -> tuple[_Events, Characters]:
    header = Message()
    header["Content-Type"] = content_type
    match = _MEDIA_TYPE.fullmatch(header.get_content_type())
    if not match or not content_type:
        raise XpmMalformed("its content type is neither XML nor JSON")
    is_json = match[1] == "json"
    character_set = character_set_of(head, header.get_content_charset())
    if is_json and character_set not in ("utf-8", "utf-8-sig", "ascii"):
        raise XpmMalformed("it is JSON in another character set than UTF-8")
    return JsonEvents(envelope) if is_json else XmlEvents(envelope), Characters(character_set, is_json=is_json)


def _feed(events: _Events, piece: bytes) -> None:
    try:
        if piece:  # An empty one would end a JSON document.
            events.feed(piece)
        return
    except (*XML_ERRORS, *JSON_ERRORS):
        pass  # Raised below, outside of the handler: a parser's error quotes the body.
    raise XpmMalformed("it is not well-formed, or holds a document type or an entity")


def _close(events: _Events) -> None:
    try:
        return events.close()
    except (*XML_ERRORS, *JSON_ERRORS):
        pass
    raise XpmMalformed("it ended early", truncated=True)
