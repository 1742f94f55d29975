"""The terms of use of a practice's client portal: set by its owners and account admins, accepted by clients who activate
their account. Which terms were accepted, and when, is on record; new terms count for those who activate from then on.
"""

from __future__ import annotations

from typing import Annotated, Self
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from handlers.access.act import Act
from handlers.access.caller import Caller, ClientCaller, Scope
from handlers.fields import Text, plain_text
from portal_db.access import terms
from portal_db.database import Database
from portal_db.tables import Terms, TermsAcceptance


def _web_address(address: str) -> str:
    address = address.strip()
    parts = urlsplit(address)
    if address and (parts.scheme != "https" or not parts.hostname or " " in address):
        raise ValueError("must be an address that begins with https://")
    return address


class NewTerms(BaseModel):
    """Terms as a text or as a link to them; with neither, clients are asked to accept none."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    text: Annotated[str, Field(max_length=20_000), AfterValidator(plain_text)] = ""
    url: Annotated[Text, Field(max_length=2_000), AfterValidator(_web_address)] = ""

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if self.text and self.url:
            raise ValueError("url must be empty where there is a text")
        return self


def current(database: Database, practice_id: UUID) -> Terms | None:
    """A practice's terms; `None` if it has none."""
    with database.read() as tx:
        return terms.newest(tx, practice_id)


def set_terms(database: Database, caller: Caller, new: NewTerms) -> None:
    """Set the practice's terms. What clients accepted before stays on record.

    Raises:
        RequestRefused: the caller is neither owner nor account admin.
    """
    caller.require(Scope.MANAGE)
    with database.write() as tx:
        before = terms.newest(tx, caller.practice_id)
        if (new.text, new.url) == ((before.text or "", before.url or "") if before else ("", "")):
            return
        row = {"practice_id": caller.practice_id, "text": new.text or None, "url": new.url or None}
        terms.add(tx, {**row, "set_by": caller.staff_id})
        Act.of_staff(caller).audit(tx, "terms.set", "practice", caller.practice_id, caller.practice_id)


def accepted(database: Database, caller: ClientCaller) -> tuple[Terms, TermsAcceptance] | None:
    """The terms that a client accepted, and when."""
    with database.read() as tx:
        return terms.accepted(tx, caller.login_id)
