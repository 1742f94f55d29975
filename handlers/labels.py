"""XPM's labels of relationships: the role that one names, and whether it is told from the other side (facts on XPM §3)."""

from __future__ import annotations

from dataclasses import dataclass

#: One role, spelled in several ways. Whoever is whose husband or wife, it is one relationship of two people.
SPELLINGS = {"appointor": "appointer", "partnership": "partner", "husband": "spouse", "wife": "spouse"}
#: What `relationships.label_key` holds.
LONGEST = 500

#: XPM sends these numbers for these roles only; for others they are nothing.
WITH_SHARES = frozenset({"shareholder", "owner"})
WITH_PERCENTAGE = frozenset({"partner"})


@dataclass(frozen=True, slots=True)
class Label:
    """A label as compared: case and spacing make no other role. With "Of" it says what the client is to the other side,
    without it what the other side is to the client."""

    role: str
    has_of: bool


def read(raw: str) -> Label:
    """Read XPM's text; an unknown role is one too."""
    words = " ".join(raw.split()).casefold()
    role = words.removesuffix(" of")
    return Label(SPELLINGS.get(role, role)[:LONGEST], has_of=role != words)


def title_of(raw: str) -> str:
    """The role as XPM spells it, without "Of"."""
    words = " ".join(raw.split())
    return words[:-3] if words.casefold().endswith(" of") else words
