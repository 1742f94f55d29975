"""The wire form of a client, a group or a staff member: the fields that each call returns, and their format.

The result is a tree of plain values with XPM's camelCase keys, which `formats` writes as XML or JSON. Source: XPM API 3.1
(field list of its OpenAPI, date forms of its documentation); the two ways to leave a field empty were both seen live.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from xpm.records import Address
from xpm.simulator import extras
from xpm.simulator.odd import with_oddity
from xpm.simulator.practice.model import Client, Group, Practice, Relationship, Staff

Tree = dict[str, object]
"""Values are `str`, `int`, `Decimal`, `None`, a tree, or a list of trees."""


@dataclass(frozen=True, slots=True)
class View:
    """What one call shows of a client.

    detailed: whether notes, groups and relationships are.
    long_dates: whether a date of birth carries a midnight (`1970-11-26T00:00:00`).
    """

    detailed: bool
    long_dates: bool


GET = View(detailed=True, long_dates=False)


def list_view(*, detailed: bool) -> View:
    return View(detailed=detailed, long_dates=True)


def search_view(*, detailed: bool) -> View:
    return View(detailed=detailed, long_dates=False)


def client_tree(client: Client, practice: Practice, view: View) -> Tree:
    """One client as one call returns it.

    Real practices answer unevenly, so every seventh record leaves empty fields and "No" flags out, and every fifth has empty
    text where others have nothing (which differs in JSON only). Those three mean the same. Some records may also be odd.
    """
    tree = _person_part(client, view) | _place_part(client) | _business_part(client, practice)
    tree["contacts"] = extras.contacts_of(client)
    if view.detailed:
        tree["notes"] = extras.notes_of(client)
        tree["groups"] = [_named(group, practice.groups[group].name) for group in client.groups]
        tree["relationships"] = [_relationship(row, practice) for row in client.relationships]
    uneven = _unevenly(tree, client.position) | practice.odd_values.get(client.uuid, {})
    return with_oddity(uneven, client.uuid, practice.odd_percent)


def _unevenly(tree: Tree, position: int) -> Tree:
    if position % 7 == 3:
        flags = ("isProspect", "isArchived", "isDeleted")
        return {
            key: value
            for key, value in tree.items()
            if value not in (None, []) and not (key in flags and value == "No")
        }
    if position % 5 == 2:
        return {key: "" if value is None and key not in _NOT_TEXT else value for key, value in tree.items()}
    return tree


_NOT_TEXT = frozenset({"accountManager", "jobManager", "billingClient", "dateOfBirth", "dateOfDeath"})


def _person_part(client: Client, view: View) -> Tree:
    born = client.date_of_birth
    more = extras.person_extras(client)
    return {
        "uuid": str(client.uuid),
        "name": client.name,
        "title": client.title,
        "gender": client.gender,
        "firstName": client.first_name,
        "middleName": more.pop("middleName"),
        "lastName": client.last_name,
        "otherName": more.pop("otherName"),
        "email": client.email,
        "dateOfBirth": born and born.isoformat() + ("T00:00:00" if view.long_dates else ""),
        **more,
    }


def _place_part(client: Client) -> Tree:
    return {**_address(client.address), **_address(client.postal_address, "postal"), "phone": client.phone}


def _address(address: Address, prefix: str = "") -> Tree:
    keys = ("address", "city", "region", "postCode", "country")
    values = (address.street, address.city, address.region, address.post_code, address.country)
    return {
        (prefix + key[0].upper() + key[1:] if prefix else key): value for key, value in zip(keys, values, strict=True)
    }


def _business_part(client: Client, practice: Practice) -> Tree:
    return {
        **extras.business_extras(client, practice),
        "isProspect": _yes_no(client.is_prospect),
        "isArchived": _yes_no(client.is_archived),
        "isDeleted": _yes_no(client.is_deleted),
        **extras.tax_extras(client),
        "businessStructure": client.business_structure,
        "returnType": client.return_type,
        **extras.bank_extras(client),
        "clientCode": client.client_code,
        "autoBasOptInCriteria": {"annually": "No", "monthly": "No", "quarterly": "No", "opt-out": "No"},
        "webUrl": f"https://practicemanager.example/Client/{client.uuid}/Detail",
    }


def _relationship(row: Relationship, practice: Practice) -> Tree:
    return {
        "uuid": str(row.uuid),
        "type": row.label,
        "relatedClient": _named(row.related_uuid, practice.name_of(row)),
        "numberOfShares": row.number_of_shares or 0,
        "percentage": row.percentage or 0,
        "startDate": _day(row.start_date),
        "endDate": _day(row.end_date),
    }


def group_tree(group: Group, practice: Practice, *, members: bool) -> Tree:
    """A client group, with its members' uuids and names if wanted."""
    tree: Tree = {**_named(group.uuid, group.name), "webUrl": None, "taxable": _yes_no(group.taxable)}
    if members:
        tree["clients"] = [_named(client.uuid, client.name) for client in practice.members(group.uuid)]
    return tree


def staff_tree(staff: Staff) -> Tree:
    """A staff member."""
    empty: Mapping[str, None] = {"mobile": None, "address": None, "payrollCode": None, "webUrl": None}
    return {**_named(staff.uuid, staff.name), "email": staff.email, "phone": staff.phone, **empty}


def _named(uuid: UUID, name: str) -> Tree:
    return {"uuid": str(uuid), "name": name}


def _yes_no(flag: bool) -> str:
    return "Yes" if flag else "No"


def _day(day: date | None) -> str | None:
    return day.isoformat() if day else None
