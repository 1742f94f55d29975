"""Odd values in the wire form of some clients, as live practices have them: each client that is odd is odd in one way.

The practice itself stays as it is, so the truth says what a reader had to find out.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from uuid import UUID

Tree = dict[str, object]
Oddity = Callable[[Tree], bool]
"""Makes a tree odd. False if the tree has nothing of that kind."""


def with_oddity(tree: Tree, uuid: UUID, percent: float) -> Tree:
    """The tree of a client; of `percent` % of the clients, an odd one. Which ones depends on their uuids alone."""
    if uuid.int % 10_000 >= percent * 100:
        return tree
    odd = deepcopy(tree)
    start = uuid.int // 10_000 % len(ODDITIES)
    for oddity in (*ODDITIES[start:], *ODDITIES[:start]):
        if oddity(odd):
            break
    return odd


def _birth(write: Callable[[str], str]) -> Oddity:
    def oddity(tree: Tree) -> bool:
        born = tree.get("dateOfBirth")
        if not isinstance(born, str) or not born:
            return False
        tree["dateOfBirth"] = write(born[:10])
        return True

    return oddity


def _email(write: Callable[[str], str]) -> Oddity:
    def oddity(tree: Tree) -> bool:
        email = tree.get("email")
        if not isinstance(email, str) or not email:
            return False
        tree["email"] = write(email)
        return True

    return oddity


def _name(write: Callable[[str], str]) -> Oddity:
    def oddity(tree: Tree) -> bool:
        tree["name"] = write(str(tree["name"]))
        return True

    return oddity


def _relationship(**values: object) -> Oddity:
    def oddity(tree: Tree) -> bool:
        rows = tree.get("relationships")
        if not isinstance(rows, list) or not rows:
            return False
        rows[0] |= values
        return True

    return oddity


def _empty_group(tree: Tree) -> bool:
    groups = tree.get("groups")
    if not isinstance(groups, list):
        return False
    groups.append({"uuid": None, "name": None})
    return True


def _flags(tree: Tree) -> bool:
    tree |= {name: "N" for name in ("isArchived", "isDeleted", "isProspect") if tree.get(name) == "No"}
    return True


def _day_first(born: str) -> str:
    year, month, day = born.split("-")
    return f"{day}/{month}/{year}"


ODDITIES: tuple[Oddity, ...] = (
    _birth(_day_first),
    _birth(lambda born: f"{born}T00:00:00+10:00"),
    _birth(lambda _: "1900-01-01"),
    _birth(lambda _: "2999-01-01"),
    _birth(lambda _: "not known"),
    _email(lambda email: f"mailto:{email}"),
    _email(lambda email: f"\u200b{email},"),
    _email(lambda email: f"The client <{email}>"),
    _email(lambda email: f"{email}; other.{email}"),
    _name(lambda name: f"{name}\x0b"),
    _name(lambda name: name.replace(" ", "\r\n", 1)),
    _name(lambda _: ""),
    _relationship(numberOfShares="1,000", percentage="33,33"),
    _relationship(endDate="0001-01-01T00:00:00"),
    _relationship(relatedClient=None),
    _relationship(relatedClient={"uuid": "unknown", "name": "Somebody"}),
    _empty_group,
    _flags,
)
