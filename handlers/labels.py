"""XPM's labels of relationships: the role that one names, and whether it is told from the other side (facts on XPM §3)."""

from __future__ import annotations

from dataclasses import dataclass

#: One role, spelled in several ways. Whoever is whose husband or wife, it is one relationship of two people.
SPELLINGS = {"appointor": "appointer", "partnership": "partner", "husband": "spouse", "wife": "spouse"}
#: What `relationships.label_key` holds.
LONGEST = 500

#: The roles of XPM's own list, as read here.
KNOWN = frozenset(
    {"director", "shareholder", "trustee", "beneficiary", "partner", "settlor", "associate", "secretary"}
    | {"public officer", "spouse", "parent", "child", "appointer", "member", "auditor", "owner"}
)
#: Of XPM's own roles these have numbers; with another of them they are nothing. What a practice's own role has is kept.
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


def has_shares(role: str) -> bool:
    return role in WITH_SHARES or role not in KNOWN


def has_percentage(role: str) -> bool:
    return role in WITH_PERCENTAGE or role not in KNOWN


def title_of(raw: str) -> str:
    """The role as XPM spells it, without "Of"."""
    words = " ".join(raw.split())
    return words[:-3] if words.casefold().endswith(" of") else words
