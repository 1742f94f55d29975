"""Admin settings > Staff, for owners and account admins: who works here, inviting, roles, deactivating and handing over."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response

from handlers import refusals
from handlers.access import members_mfa, staff
from handlers.access.act import Act
from handlers.errors import RequestRefused
from handlers.integration import handover
from handlers.integration import status as integration_status
from portal_db.access.members import Member
from portal_db.states import Role
from web.http.identity import origin_of
from web.pages.frame.forms import NO_ERRORS, ConfirmedByManager, FormErrors, Posted
from web.pages.frame.view import page, redirect
from web.pages.frame.visitor import ConfirmedManager, TheManager, Visitor
from web.usage import Use

router = APIRouter()

PATH = "/admin/staff"
#: The form of an invitation, as it is first shown.
BLANK = {"name": "", "email": "", "role": Role.MANAGER.value}


@router.get(PATH)
def show_staff(visitor: TheManager) -> Response:
    return _list(visitor)


@router.get(f"{PATH}/invite")
def show_invitation(visitor: ConfirmedManager) -> Response:
    return _invitation(visitor, BLANK)


@router.post(f"{PATH}/invite")
def invite(posted: ConfirmedByManager) -> Response:
    """Add somebody, and email them a link to set their password."""
    visitor, typed = posted.visitor, posted.texts("name", "email", "role")
    try:
        visitor.portal.uses.take(Use.INVITATION, visitor.caller)
        staff.invite(
            visitor.database, visitor.portal.bell, visitor.caller, typed["name"], typed["email"], _role(posted)
        )
    except RequestRefused as refused:
        return _invitation(visitor, typed, FormErrors.of(refused, BLANK))
    return redirect(PATH, message="staff-invited")


@router.get(f"{PATH}/{{staff_id}}")
def show_member(visitor: TheManager, staff_id: UUID) -> Response:
    return _member(visitor, staff_id)


@router.post(f"{PATH}/{{staff_id}}/invitation")
def invite_again(posted: ConfirmedByManager, staff_id: UUID) -> Response:
    visitor = posted.visitor
    try:
        visitor.portal.uses.take(Use.INVITATION, visitor.caller)
        staff.invite_again(visitor.database, visitor.portal.bell, visitor.caller, staff_id)
    except RequestRefused as refused:
        return _member(visitor, staff_id, FormErrors.of(refused))
    return redirect(f"{PATH}/{staff_id}", message="staff-invited-again")


@router.post(f"{PATH}/{{staff_id}}/role")
def set_role(posted: ConfirmedByManager, staff_id: UUID) -> Response:
    visitor = posted.visitor
    try:
        staff.set_role(visitor.database, visitor.caller, staff_id, _role(posted))
    except RequestRefused as refused:
        return _member(visitor, staff_id, FormErrors.of(refused, ("role",)))
    return redirect(f"{PATH}/{staff_id}", message="saved")


@router.post(f"{PATH}/{{staff_id}}/mfa")
def reset_mfa(posted: ConfirmedByManager, staff_id: UUID) -> Response:
    """Take away a colleague's second factor, because they lost it."""
    visitor = posted.visitor
    try:
        members_mfa.reset(visitor.database, visitor.caller, staff_id, origin_of(visitor.request))
    except RequestRefused as refused:
        return _member(visitor, staff_id, FormErrors.of(refused))
    return redirect(f"{PATH}/{staff_id}", message="mfa-reset")


@router.post(f"{PATH}/{{staff_id}}/sign-out")
def sign_out(posted: ConfirmedByManager, staff_id: UUID) -> Response:
    """End a colleague's sessions, because their device is lost or something looks wrong."""
    visitor = posted.visitor
    try:
        members_mfa.sign_out(visitor.database, visitor.caller, staff_id, origin_of(visitor.request))
    except RequestRefused as refused:
        return _member(visitor, staff_id, FormErrors.of(refused))
    return redirect(f"{PATH}/{staff_id}", message="member-signed-out")


@router.get(f"{PATH}/{{staff_id}}/deactivate")
def ask_to_deactivate(visitor: ConfirmedManager, staff_id: UUID) -> Response:
    """What deactivating somebody does, and who is to have their clients."""
    return _deactivation(visitor, staff_id)


@router.post(f"{PATH}/{{staff_id}}/deactivate")
def deactivate(posted: ConfirmedByManager, staff_id: UUID) -> Response:
    visitor = posted.visitor
    try:
        departure = handover.deactivate(visitor.database, visitor.caller, staff_id, posted.id("colleague"))
    except RequestRefused as refused:
        return _deactivation(visitor, staff_id, FormErrors.of(refused, ("colleague",)))
    return redirect(PATH if not departure.left_behind else f"{PATH}#left-behind", message="staff-left")


@router.post(f"{PATH}/connections/{{connection_id}}/hand-over")
def hand_over(posted: ConfirmedByManager, connection_id: UUID) -> Response:
    """Move the clients on the connection of somebody who has left to a colleague's."""
    visitor, to = posted.visitor, posted.id("colleague")
    if to is None:
        return _list(visitor, FormErrors.of_field(f"colleague-{connection_id}", "Choose a colleague.", ""))
    try:
        handover.reassign(visitor.database, Act.of_staff(visitor.caller), connection_id, to, dry_run=False)
    except RequestRefused as refused:
        return _list(visitor, FormErrors.of(refused))
    return redirect(PATH, message="handed-over")


def _list(visitor: Visitor, errors: FormErrors = NO_ERRORS) -> Response:
    members = staff.listing(visitor.database, visitor.caller)
    left_behind = integration_status.left_behind(visitor.database, visitor.caller)
    return page(
        visitor,
        "settings/staff.html",
        errors,
        present=[each for each in members if each.staff.left_at is None],
        past=[each for each in members if each.staff.left_at is not None],
        colleagues=_options(members),
        left_behind=left_behind,
    )


def _member(visitor: Visitor, staff_id: UUID, errors: FormErrors = NO_ERRORS) -> Response:
    member = staff.get(visitor.database, visitor.caller, staff_id)
    return page(visitor, "settings/staff_member.html", errors, member=member)


def _invitation(visitor: Visitor, typed: dict[str, str], errors: FormErrors = NO_ERRORS) -> Response:
    return page(visitor, "settings/staff_invite.html", errors, typed=typed)


def _deactivation(visitor: Visitor, staff_id: UUID, errors: FormErrors = NO_ERRORS) -> Response:
    members = staff.listing(visitor.database, visitor.caller)
    member = staff.get(visitor.database, visitor.caller, staff_id)
    options = _options([each for each in members if each.staff.id != staff_id])
    return page(visitor, "settings/staff_deactivate.html", errors, member=member, colleagues=options)


def _options(members: Sequence[Member]) -> list[tuple[str, str]]:
    return [(str(each.staff.id), each.staff.name) for each in members if each.staff.left_at is None]


def _role(posted: Posted) -> Role:
    try:
        return Role(posted.text("role"))
    except ValueError:
        raise refusals.BAD_FIELD(field="role", reason="is not a role") from None
