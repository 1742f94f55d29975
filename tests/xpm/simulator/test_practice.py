"""The made-up practice: exact, repeatable, believable, and with every notable category in it."""

from __future__ import annotations

import unicodedata
from collections import Counter

import pytest

from xpm.simulator import build_practice
from xpm.simulator.practice.model import Client, Practice
from xpm.simulator.truth import truth_lines

LISTED = {
    *("Director", "Shareholder", "Trustee", "Beneficiary", "Partner", "Settlor", "Associate", "Secretary", "Husband"),
    *("Wife", "Spouse", "Appointer", "Member", "Auditor", "Owner", "Public Officer", "Parent Of", "Child Of"),
}
TWO_SIDED_STEMS = {"Husband": "Spouse", "Wife": "Spouse", "Parent Of": "Child"}
POSTCODES = {"NSW": "2", "ACT": "2", "VIC": "3", "QLD": "4", "SA": "5", "WA": "6", "TAS": "7", "NT": "0"}


def all_text(practice: Practice) -> str:
    return "".join(truth_lines({"t": practice}))


def people(practice: Practice) -> list[Client]:
    return [client for client in practice.clients.values() if client.first_name]


@pytest.mark.parametrize("clients", [1, 2, 3, 7, 39, 40, 60, 501])
def test_holds_exactly_as_many_clients_as_asked_for(clients: int) -> None:
    practice = build_practice(clients, seed=1)
    assert len(practice.clients) == clients
    assert [client.position for client in practice.clients.values()] == list(range(clients))


def test_a_practice_of_nobody_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one client"):
        build_practice(0, seed=1)


def test_the_same_seed_gives_the_same_practice_and_another_gives_another() -> None:
    first, again, other = (all_text(build_practice(120, seed)) for seed in (5, 5, 6))
    assert first == again
    assert first != other


def stem(label: str) -> str:
    """What two rows that tell one relationship from its two sides have in common."""
    return TWO_SIDED_STEMS.get(label, label.removesuffix(" Of"))


def listed(label: str) -> bool:
    return label in LISTED or label.removesuffix(" Of") in LISTED


def broken(email: str) -> bool:
    local, _, domain = email.partition("@")
    return not local or "." not in domain or any(sign in email for sign in (";", ",", " ", "..", "@@"))


def categories(practice: Practice) -> dict[str, int]:
    """How many clients or rows of each notable category a practice has, told by raw facts alone."""
    clients = list(practice.clients.values())
    rows = [(client, row) for client in clients for row in client.relationships]
    emails = Counter(person.email for person in people(practice) if person.email)
    folded = Counter(email.casefold() for email in emails)
    names = Counter(client.name for client in clients)
    told = {(client.uuid, row.related_uuid, stem(row.label)) for client, row in rows}
    related = [(client, practice.clients.get(row.related_uuid)) for client, row in rows]
    return {
        "without email": sum(person.email is None for person in people(practice)),
        "shared email": sum(count > 1 for count in emails.values()),
        "case twins": sum(count > 1 for count in folded.values()),
        "invalid email": sum(broken(email) for email in emails),
        "archived": sum(client.is_archived for client in clients),
        "deleted": sum(client.is_deleted for client in clients),
        "prospect": sum(client.is_prospect for client in clients),
        "namesakes": sum(count > 1 for count in names.values()),
        "ampersand": sum("&" in name for name in names),
        "angle": sum("<" in name or ">" in name for name in names),
        "quote": sum('"' in name for name in names),
        "apostrophe": sum("'" in name or "\u2019" in name for name in names),
        "accent": sum(any(0xC0 <= ord(letter) <= 0x1EFF for letter in name) for name in names),
        "emoji": sum(any(ord(letter) > 0xFFFF for letter in name) for name in names),
        "right to left": sum(any(unicodedata.bidirectional(letter) in ("R", "AL") for letter in name) for name in names),
        "ended": sum(row.end_date is not None for _, row in rows),
        "shares": sum(row.number_of_shares is not None for _, row in rows),
        "percentage": sum(row.percentage is not None for _, row in rows),
        "one-sided": sum(
            (row.related_uuid, client.uuid, stem(row.label)) not in told
            for client, row in rows
            if row.related_uuid in practice.clients and listed(row.label)
        ),
        "unlisted label": sum(not listed(row.label) for _, row in rows),
        "related archived": sum(other is not None and other.is_archived for _, other in related),
        "related unknown": sum(other is None for _, other in related),
        "groups": len(practice.groups),
        "multi-line address": sum("\n" in (client.address.street or "") for client in clients),
        "leading zero": sum((client.phone or "").startswith("0") for client in clients),
    }  # fmt: skip


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("clients", [40, 60])
def test_every_notable_category_is_there_from_forty_clients_on(clients: int, seed: int) -> None:
    practice = build_practice(clients, seed)
    missing = [name for name, count in categories(practice).items() if count == 0]
    assert missing == []
    structures = {client.business_structure for client in practice.clients.values()}
    assert {
        "Individual",
        "Sole Trader",
        "Company",
        "Trust",
        "Family Trust",
        "Unit Trust",
        "Discretionary Trust",
    } <= structures
    assert {
        "Partnership",
        "Self Managed Superannuation Fund",
        "Incorporated Association",
        "Deceased Estate",
        None,
    } <= structures
    assert any(client.business_structure is None for client in people(practice))


def test_couples_that_share_an_email_are_individuals_who_are_married() -> None:
    practice = build_practice(400, seed=2)
    by_email: dict[str, list[Client]] = {}
    for person in people(practice):
        if person.email and "@" in person.email and ".." not in person.email:
            by_email.setdefault(person.email, []).append(person)
    shared = [sharers for sharers in by_email.values() if len(sharers) > 1]
    assert len(shared) == 8
    for one, other in shared:
        assert {one.business_structure, other.business_structure} == {"Individual"}
        spouses = {row.related_uuid for row in one.relationships if row.label in ("Spouse", "Husband", "Wife")}
        back = {row.related_uuid for row in other.relationships if row.label in ("Spouse", "Husband", "Wife")}
        assert other.uuid in spouses or one.uuid in back


def test_labels_face_the_way_that_xpm_writes_them() -> None:
    practice = build_practice(400, seed=2)
    rows = [(client, row.label) for client in practice.clients.values() for row in client.relationships]
    assert all(client.first_name is None for client, label in rows if label == "Director")
    assert all(client.first_name for client, label in rows if label == "Director Of")
    assert all((client.business_structure or "") for client, _ in rows), "a client without structure can hold no rows"


def test_percentages_of_a_partnership_add_up() -> None:
    practice = build_practice(400, seed=2)
    whole = []
    for client in practice.clients.values():
        shares = [row.percentage for row in client.relationships if row.label == "Partner"]
        if client.business_structure == "Partnership" and len(shares) > 1:
            whole.append(sum(share for share in shares if share is not None) == 100)
    assert whole.count(True) > 10
    assert whole.count(False) <= 4, "only a one-sided tie may leave a part out"


def test_nothing_could_ever_reach_anybody() -> None:
    practice = build_practice(2_000, seed=3)
    for client in practice.clients.values():
        _, at, domain = (client.email or "").rpartition("@")
        assert not at or domain == "" or domain.endswith((".example", "mail,example")), client.email


def test_postcodes_belong_to_their_states() -> None:
    practice = build_practice(500, seed=3)
    addresses = [client.address for client in practice.clients.values() if client.address.region]
    assert len({address.region for address in addresses}) == 8
    for address in addresses:
        assert address.post_code is not None
        assert len(address.post_code) == 4
        assert address.post_code[0] == POSTCODES[address.region or ""]
