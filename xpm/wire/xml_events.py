"""XML bodies as envelope events, piece by piece; document types and entities are refused, so nothing can expand."""

from __future__ import annotations

from functools import lru_cache
from xml.etree.ElementTree import ParseError  # only the exception; the parser is defusedxml's

from defusedxml.ElementTree import DefusedXMLParser  # type: ignore[import-untyped]  # it ships no types

from xpm.wire.envelope import Envelope

XML_ERRORS = (ParseError, ValueError)
"""What `feed` and `close` raise: broken XML, or something refused (a `ValueError`)."""


class XmlEvents:
    """Feeds an envelope from XML in UTF-8, whatever character set the document declares."""

    def __init__(self, envelope: Envelope) -> None:
        self._target = _Target(envelope)
        self._parser = DefusedXMLParser(target=self._target, encoding="utf-8", forbid_dtd=True)

    @property
    def events(self) -> int:
        """How many events came so far."""
        return self._target.events

    def feed(self, data: bytes) -> None:
        """Read one piece."""
        self._parser.feed(data)

    def close(self) -> None:
        """End the document. Raises if it is incomplete."""
        self._parser.close()


class _Target:
    """What the parser calls. Attributes (`api-method`, `xsi:nil`) are not needed."""

    def __init__(self, envelope: Envelope) -> None:
        self._envelope = envelope
        self.events = 0

    def start(self, tag: str, _attributes: dict[str, str]) -> None:
        self.events += 1
        self._envelope.start(_name_of(tag))

    def data(self, text: str) -> None:
        self.events += 1
        self._envelope.text(text)

    def end(self, _tag: str) -> None:
        self.events += 1
        self._envelope.end()


@lru_cache(512)
def _name_of(tag: str) -> str:
    """A tag's name without its namespace. XPM has about a hundred, millions of times."""
    return tag.rpartition("}")[2].lower()
