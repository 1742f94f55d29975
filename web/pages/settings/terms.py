"""Admin settings > Terms of use: what clients accept when they activate their account."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import ValidationError

from handlers.access import terms
from handlers.access.terms import NewTerms
from web.pages.frame.forms import NO_ERRORS, FormErrors, PostedByManager
from web.pages.frame.view import page, redirect
from web.pages.frame.visitor import TheManager, Visitor

router = APIRouter()

PATH = "/admin/terms"


@router.get(PATH)
def show(visitor: TheManager) -> Response:
    found = terms.current(visitor.database, visitor.caller.practice_id)
    typed = {"text": (found.text if found else None) or "", "url": (found.url if found else None) or ""}
    return _page(visitor, typed)


@router.post(PATH)
def set_terms(posted: PostedByManager) -> Response:
    visitor, typed = posted.visitor, posted.texts("text", "url")
    try:
        terms.set_terms(visitor.database, visitor.caller, NewTerms.model_validate(typed))
    except ValidationError as error:
        return _page(visitor, typed, FormErrors.of(error))
    return redirect(PATH, message="saved")


def _page(visitor: Visitor, typed: dict[str, str], errors: FormErrors = NO_ERRORS) -> Response:
    return page(visitor, "settings/terms.html", errors, typed=typed)
