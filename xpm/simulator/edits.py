"""Changes a client's fields from plain JSON values, in the names and shapes of the truth file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID, uuid4

from xpm.records import Address
from xpm.simulator.practice.model import Client, Relationship


def edit(client: Client, changes: Mapping[str, object], now: datetime) -> bool:
    """Apply changes and set the time of modification to `now`. Returns whether the name changed.

    Relationships are replaced as a whole, on this client's side only.

    Raises:
        ValueError, TypeError, KeyError, ArithmeticError: for a field that cannot be edited or a value of the wrong shape;
            nothing is changed then.
    """
    unknown = set(changes) - set(_READERS)
    if unknown:
        raise ValueError(f"there is no editable field called {', '.join(sorted(unknown))}")
    values = {name: _READERS[name](value) for name, value in changes.items()}
    renamed = values.get("name", client.name) != client.name
    for name, value in values.items():
        setattr(client, name, value)
    client.modified = now
    return renamed


def _text(value: object) -> str | None:
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{value!r} is not text")
    return value


def _some_text(value: object) -> str:
    text = _text(value)
    if not text:
        raise ValueError("the text must not be empty")
    return text


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{value!r} is neither true nor false")
    return value


def _date(value: object) -> date | None:
    return date.fromisoformat(str(value)) if value is not None else None


def _address(value: object) -> Address:
    if not isinstance(value, Mapping):
        raise TypeError("an address is an object")
    return Address(**{str(name): _text(part) for name, part in value.items()})


def _relationships(value: object) -> list[Relationship]:
    if not isinstance(value, list):
        raise TypeError("relationships are a list")
    return [_relationship(row) for row in value]


def _relationship(row: object) -> Relationship:
    """A row; only `label` and `related_uuid` are needed."""
    if not isinstance(row, Mapping):
        raise TypeError("a relationship is an object")
    shares, percentage = row.get("number_of_shares"), row.get("percentage")
    return Relationship(
        uuid=UUID(str(row["uuid"])) if row.get("uuid") else uuid4(),
        label=_some_text(row["label"]),
        related_uuid=UUID(str(row["related_uuid"])),
        related_name=_text(row.get("related_name")) or "",
        number_of_shares=int(str(shares)) if shares is not None else None,
        percentage=Decimal(str(percentage)) if percentage is not None else None,
        start_date=_date(row.get("start_date")),
        end_date=_date(row.get("end_date")),
    )


_READERS: dict[str, Callable[[object], object]] = {
    **dict.fromkeys(("name", "client_code"), _some_text),
    **dict.fromkeys(
        ("title", "gender", "first_name", "last_name", "email", "phone", "business_structure", "return_type"), _text
    ),
    **dict.fromkeys(("is_prospect", "is_archived", "is_deleted"), _flag),
    **dict.fromkeys(("address", "postal_address"), _address),
    "date_of_birth": _date,
    "relationships": _relationships,
}
