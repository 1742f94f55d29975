"""The fields of a client that XPM sends and the portal must never keep: bank, tax, notes, contacts, billing.

They are made from the client's uuid on demand, so they take no memory. Each free text holds `CANARY`, so that a test can
prove that none of it was stored, logged or shown.
"""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

from xpm.simulator.practice.model import Client, Practice

CANARY = "canary-must-be-dropped"


def person_extras(client: Client) -> dict[str, object]:
    """The fields of people that are not imported."""
    number = client.uuid.int
    return {
        "middleName": "Lee" if client.first_name and number % 3 == 0 else None,
        "otherName": None,
        "dateOfDeath": None,
        "placeOfBirthCity": "Hobart" if client.first_name and number % 5 == 0 else None,
        "placeOfBirthCountryCode": "AU" if client.first_name and number % 5 == 0 else None,
    }


def business_extras(client: Client, practice: Practice) -> dict[str, object]:
    """Who at the practice manages the client, and how it is billed. The account manager is often unset."""
    number = client.uuid.int
    staff = practice.staff[number % len(practice.staff)]
    named = {"uuid": str(staff.uuid), "name": staff.name}
    return {
        "fax": None,
        "website": "https://www.website.example" if number % 7 == 0 else None,
        "referralSource": None,
        "exportCode": None,
        "industry": None,
        "accountManager": named if number % 3 else None,
        "jobManager": named,
        "type": {
            "name": "20th of Month",
            "costMarkup": Decimal("30.00"),
            "paymentTerm": "DayOfMonth",
            "paymentDay": 20,
        },
        "billingClient": None,
    }


def tax_extras(client: Client) -> dict[str, object]:
    """Tax and bank fields. Tax numbers arrive masked; company and business numbers are text with leading zeros."""
    number = client.uuid.int
    entity = client.first_name is None
    return {
        "taxNumber": f"******{number % 1000:03d}",
        "companyNumber": f"{number % 10**9:09d}" if entity else None,
        "businessNumber": f"{number % 10**11:011d}" if entity or number % 4 == 0 else None,
        "balanceMonth": 6,
        "prepareGst": "Yes" if entity else "No",
        "gstRegistered": "Yes" if entity else "No",
        "gstPeriod": "Quarterly" if entity else None,
        "gstBasis": "Cash" if entity else None,
        "provisionalTaxBasis": None,
        "provisionalTaxRatio": Decimal(0),
        "signedTaxAuthority": "Yes",
        "taxAgent": "Yes",
        "agencyStatus": "With",
    }


def bank_extras(client: Client) -> dict[str, object]:
    """The fields after the return type: lodgement switches, bank details, the tax office's flags."""
    number = client.uuid.int
    return {
        "prepareActivityStatement": "Yes",
        "prepareTaxReturn": "Yes",
        "branchNumber": None,
        "bankBsb": f"{number % 10**6:06d}",
        "bankAccountName": f"{CANARY} account",
        "bankAccountNumber": f"{number % 10**8:08d}",
        "bankName": f"{CANARY} bank",
        "activeAtoClient": "Yes",
    }


def contacts_of(client: Client) -> list[dict[str, object]]:
    """The client's contacts: one or two for entities, none for most people."""
    number = client.uuid.int
    count = 1 + number % 2 if client.first_name is None else int(number % 4 == 0)
    return [
        {
            "uuid": str(UUID(int=number ^ (index + 1))),
            "name": f"{CANARY} contact {index + 1}",
            "salutation": None,
            "addressee": None,
            "mobile": "0491570156",
            "email": f"contact{index + 1}@{CANARY}.example",
            "phone": None,
            "isDeleted": "No",
            "isPrimary": "No" if index else "Yes",
            "position": "Bookkeeper",
        }
        for index in range(count)
    ]


def notes_of(client: Client) -> list[dict[str, object]]:
    """A note on every second client. `folder` is null since tags replaced it in 2025."""
    if client.uuid.int % 2:
        return []
    text = f"{CANARY}: rang about <last year's> return &\nwants a call back"
    note = {"title": "Phone call", "text": text, "folder": None, "date": "2026-03-12T13:00:00", "createdBy": "Jo Blogs"}
    return [{**note, "tags": "Calls"}]
