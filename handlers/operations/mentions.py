"""Whether a text or a message names a person, and the text without them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import UUID

ERASED = "[erased]"
#: Shorter words than this would be found in other people's texts.
SHORTEST = 3


@dataclass(frozen=True)
class Naming:
    """What names a person. `addresses` and `xpm_uuids` are theirs alone; `words` (names, phone numbers and the like) may
    be somebody else's too."""

    xpm_uuids: frozenset[UUID]
    addresses: frozenset[str]
    words: frozenset[str]

    @property
    def everything(self) -> frozenset[str]:
        """Every word that is looked for in texts."""
        return self.addresses | frozenset(word for word in self.words if len(word) >= SHORTEST)

    def is_in(self, payload: bytes) -> bool:
        """Whether a message is about the person. One that gives another XPM record is not for a shared name."""
        text = payload.decode(errors="replace")
        try:
            content = json.loads(text)
        except ValueError:
            return self.is_in_text(text)
        found = [*_strings(content)]
        if any(self._sure(part) for part in found):
            return True
        return not _gives_a_record(content) and any(self._likely(part) for part in found)

    def is_in_text(self, text: str) -> bool:
        return self._sure(text) or self._likely(text)

    def without(self, text: str | None) -> str | None:
        """The text with what names the person blotted out."""
        return text if text is None or not self.everything else self._any.sub(ERASED, text)

    @cached_property
    def _any(self) -> re.Pattern[str]:
        return _pattern(self.addresses, self.words)

    def _sure(self, text: str) -> bool:
        lowered = text.casefold()
        marks = [*map(str, self.xpm_uuids), *(address.casefold() for address in self.addresses)]
        return any(mark in lowered for mark in marks)

    def _likely(self, text: str) -> bool:
        return bool(self.everything) and self._any.search(text) is not None


def _pattern(addresses: Iterable[str], words: Iterable[str]) -> re.Pattern[str]:
    """Addresses wherever they stand; words only as words. The longer first, which may hold the shorter."""
    anywhere = [(address, re.escape(address)) for address in addresses]
    bounded = [(word, rf"(?<!\w){re.escape(word)}(?!\w)") for word in words if len(word) >= SHORTEST]
    longest_first = sorted(anywhere + bounded, key=lambda pair: len(pair[0]), reverse=True)
    return re.compile("|".join(pattern for _, pattern in longest_first), re.IGNORECASE)


def _strings(content: Any) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    elif isinstance(content, dict):
        for name, value in content.items():
            yield str(name)
            yield from _strings(value)
    elif isinstance(content, list):
        for value in content:
            yield from _strings(value)


def _gives_a_record(content: Any) -> bool:
    """A readable request, bare or as a queue message's arguments, for one XPM record."""
    fields = content.get("kwargs", content) if isinstance(content, dict) else None
    try:
        UUID(str(fields["xpm_uuid"]) if isinstance(fields, dict) else "")
    except (KeyError, ValueError):
        return False
    return True
