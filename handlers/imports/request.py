"""The import request, typed and bounded: one model for the pages, the API, the command line and the queue door.

A request that is not valid is refused with code, field, message and remedy. None of it is stored, and the refusal does
not repeat its values.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from handlers.email import greeting
from handlers.fields import misfit, one_line
from portal_db.states import ClientKind, ClientType, EntityType, Subscription


class ImportWishes(BaseModel):
    """One client or entity to import. A field that is left out or null takes XPM's value, or the default shown."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    xpm_uuid: UUID
    kind: ClientKind
    name: Annotated[str, Field(max_length=500), one_line] | None = None
    entity_type: EntityType | None = None
    email: Annotated[str, Field(max_length=320), one_line] | None = None
    client_type: ClientType | None = None
    subscription: Subscription | None = None
    send_welcome_email: bool = False
    bring_details: bool = True
    bring_relationships: bool = True

    @model_validator(mode="after")
    def _fields_fit_the_kind(self) -> Self:
        if self.kind is ClientKind.INDIVIDUAL and self.entity_type is not None:
            raise ValueError("entity_type is for entities only")
        if self.kind is ClientKind.INDIVIDUAL and self.name is not None and not greeting.fits(self.name):
            raise ValueError(
                f"name of an individual may have up to {greeting.LONGEST} characters and no web address; put a space"
                " after a full stop"
            )
        if self.kind is ClientKind.ENTITY:
            for name in ("email", "client_type", "subscription"):
                if getattr(self, name) is not None:
                    raise ValueError(f"{name} is for individuals only")
            if self.send_welcome_email:
                raise ValueError("send_welcome_email is for individuals only")
        return self


class ImportRequest(ImportWishes):
    """One client or entity to import, who requests it, and the idempotency key."""

    practice_id: UUID
    requested_by: UUID = Field(description="the staff member who requests it")
    request_id: Annotated[str, Field(max_length=200), one_line] = Field(
        description="the requester's own key; same key, same import"
    )

    def fingerprint(self) -> str:
        """A digest of the request without its key: the same key with another fingerprint is a conflict."""
        body = self.model_dump(mode="json", exclude={"request_id"})
        return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def parse(fields: Mapping[str, Any]) -> ImportRequest:
    """Read a request from plain data.

    Raises:
        RequestRefused: `bad_request`, naming the first field that is not valid.
    """
    try:
        return ImportRequest.model_validate(dict(fields))
    except ValidationError as error:
        raise misfit(error) from None
