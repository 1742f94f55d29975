"""Editing a client: the fields that the firm may change, each with its source; and archiving."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response

from handlers import refusals
from handlers.clients import edit, queries
from handlers.errors import RequestRefused
from web.pages.frame.forms import NO_ERRORS, FormErrors, PostedByImporter
from web.pages.frame.view import page, redirect
from web.pages.frame.visitor import TheImporter, Visitor

router = APIRouter()

#: A ticked box with this before a field's name lets XPM decide about the field again.
XPM = "xpm_"
#: A hidden field with this before a field's name has the value that the form showed, which tells what was changed since.
SHOWN = "shown_"


@router.get("/clients/{client_id}/edit")
def show(visitor: TheImporter, client_id: UUID) -> Response:
    return _form(visitor, client_id, {}, {})


@router.post("/clients/{client_id}/edit")
def save(posted: PostedByImporter, client_id: UUID) -> Response:
    visitor, names = posted.visitor, [*edit.PERSON, *edit.ENTITY, *edit.LISTED]
    typed = {name: posted.text(name) for name in names if name in posted.form}
    # A page of the release before has no such fields: each counts as shown as it is now.
    shown = {name: posted.text(f"{SHOWN}{name}") for name in typed if f"{SHOWN}{name}" in posted.form}
    to_xpm = [name for name in typed if posted.is_ticked(f"{XPM}{name}")]
    try:
        edit.edit(visitor.database, visitor.caller, client_id, typed, shown, to_xpm=to_xpm)
    except RequestRefused as refused:
        return _form(visitor, client_id, typed, shown, FormErrors.of(refused, typed))
    return redirect(f"/clients/{client_id}", message="saved")


@router.post("/clients/{client_id}/archive")
def archive(posted: PostedByImporter, client_id: UUID) -> Response:
    """Archive the client, or restore it."""
    is_archived = not posted.is_ticked("restore")
    edit.archive(posted.visitor.database, posted.visitor.caller, client_id, is_archived=is_archived)
    return redirect(f"/clients/{client_id}", message="client-archived" if is_archived else "client-restored")


def _form(
    visitor: Visitor,
    client_id: UUID,
    typed: Mapping[str, str],
    shown: Mapping[str, str],
    errors: FormErrors = NO_ERRORS,
) -> Response:
    """The form. A field that was changed meanwhile is shown with its present value, and compared with that from now on."""
    details = queries.get_client(visitor.database, visitor.caller, client_id)
    client = details.entry.client
    present = edit.values_of(client, details.fields)
    late = {name: present[name] for name, fault in errors.by_field.items() if fault.code == refusals.FIELD_CHANGED.code}
    return page(
        visitor,
        "clients/edit.html",
        errors,
        client=client,
        entry=details.entry,
        fields=details.fields,
        typed={**present, **typed},
        shown={**present, **shown, **late},
        late=late,
        names=list(edit.fields_of(client.kind)),
    )
