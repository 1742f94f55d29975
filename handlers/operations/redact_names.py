"""Finds whether a text or a message names a person, and removes the names from a text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import UUID

ERASED = "[erased]"
#: Words shorter than this are too common in other people's texts.
SHORTEST = 3


@dataclass(frozen=True)
class Naming:
    """What names a person. `addresses` and `xpm_uuids` are unique to them; `words` (names, phone numbers) may also name
    somebody else."""

    xpm_uuids: frozenset[UUID]
    addresses: frozenset[str]
    words: frozenset[str]

    @property
    def everything(self) -> frozenset[str]:
        """All words to search for in texts."""
        return self.addresses | frozenset(word for word in self.words if len(word) >= SHORTEST)

    def is_in(self, payload: bytes) -> bool:
        """Whether a message is about the person. A shared name is not enough if the message has another XPM record."""
        text = payload.decode(errors="replace")
        try:
            content = json.loads(text)
        except ValueError:
            return self.is_in_text(text)
        found = [*_strings(content)]
        if any(self._names_surely(part) for part in found):
            return True
        return not _has_record(content) and any(self._names_likely(part) for part in found)

    def is_in_text(self, text: str) -> bool:
        return self._names_surely(text) or self._names_likely(text)

    def without(self, text: str | None) -> str | None:
        """The text with what names the person replaced."""
        return text if text is None or not self.everything else self._any.sub(ERASED, text)

    @cached_property
    def _any(self) -> re.Pattern[str]:
        return _pattern(self.addresses, self.words)

    def _names_surely(self, text: str) -> bool:
        lowered = text.casefold()
        marks = [*map(str, self.xpm_uuids), *(address.casefold() for address in self.addresses)]
        return any(mark in lowered for mark in marks)

    def _names_likely(self, text: str) -> bool:
        return bool(self.everything) and self._any.search(text) is not None


def _pattern(addresses: Iterable[str], words: Iterable[str]) -> re.Pattern[str]:
    """Addresses anywhere; words only as whole words. Longer ones first, since they may contain shorter ones."""
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


def _has_record(content: Any) -> bool:
    """Whether this is a request, bare or as a queue message's arguments, for one XPM record."""
    fields = content.get("kwargs", content) if isinstance(content, dict) else None
    try:
        UUID(str(fields["xpm_uuid"]) if isinstance(fields, dict) else "")
    except (KeyError, ValueError):
        return False
    return True
