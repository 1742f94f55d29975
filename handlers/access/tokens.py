"""How tokens and keys that we make are stored: a stolen database opens nothing."""

from __future__ import annotations

import hashlib


def hashed(token: str) -> str:
    """The hash of a secret of at least 80 random bits, which needs neither salt nor a slow function."""
    return hashlib.sha256(token.encode()).hexdigest()
