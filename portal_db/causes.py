"""What makes two failures the same cause: their words, without what differs from one record to the next."""

from __future__ import annotations

import hashlib
import re

#: Ids, quoted words, times and numbers, in this order: each stands for any of its like.
_VARYING = (
    (re.compile(r"\b[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}\b", re.IGNORECASE), "<id>"),
    (re.compile(r"\b(?=[0-9a-f]*\d)(?=\d*[a-f])[0-9a-f]{8,}\b", re.IGNORECASE), "<id>"),
    (re.compile(r"'[^']*'|\"[^\"]*\"|“[^”]*”"), "<text>"),
    (re.compile(r"\d+(?:[.,:/-]\d+)*"), "<n>"),
)
CAUSE_LENGTH = 12


def normalised(message: str) -> str:
    """A message with placeholders for ids, quotes and numbers: `Row 17 of 'x'` becomes `row <n> of <text>`."""
    for pattern, placeholder in _VARYING:
        message = pattern.sub(placeholder, message)
    return " ".join(message.split()).casefold()


def cause_of(code: str, message: str) -> str:
    """A short digest of a failure's code and normalised message: what dead letters are grouped by, beside their kind."""
    return hashlib.sha256(f"{code}\n{normalised(message)}".encode()).hexdigest()[:CAUSE_LENGTH]
