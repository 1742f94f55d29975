"""Who is behind an HTTP request: a staff member, and what their role and, for a program, its API key's scopes allow; or a
client, who has a side of the portal of their own."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from handlers import refusals
from portal_db.access.credentials import SessionOwner, SignIn
from portal_db.states import LoginKind, Role
from portal_db.tables import ApiKey, Staff
from portal_db.visibility import Viewer


class Scope(StrEnum):
    """What an API key allows. Staff who signed in may do all that their role allows."""

    #: Search, and read imports, clients and the integration.
    READ = "read"
    #: Request imports, and do what import staff do with clients.
    IMPORT = "import"
    #: Manage API keys and webhooks, and hand over connections: the highest, since it can make keys of any scope.
    MANAGE = "manage"


@dataclass(frozen=True)
class Caller:
    """The staff member who makes a request, or for whom a program makes it."""

    practice_id: UUID
    staff_id: UUID
    name: str
    role: Role
    scopes: frozenset[Scope]
    #: The API key that a program calls with.
    via_key: ApiKey | None = None

    @classmethod
    def of(cls, staff: Staff, scopes: frozenset[Scope] = frozenset(Scope), via_key: ApiKey | None = None) -> Caller:
        return cls(staff.practice_id, staff.id, staff.name, staff.role, scopes, via_key)

    @property
    def owner(self) -> SessionOwner:
        """Whose sessions theirs are."""
        return SessionOwner(LoginKind.STAFF, self.staff_id)

    @property
    def viewer(self) -> Viewer:
        """Which rows they may see."""
        return Viewer(self.practice_id, self.staff_id, sees_all=self.role.may_manage)

    def may(self, scope: Scope) -> bool:
        """Whether the role allows it."""
        match scope:
            case Scope.READ:
                return True
            case Scope.IMPORT:
                return self.role.may_import
            case Scope.MANAGE:
                return self.role.may_manage

    def require(self, scope: Scope) -> None:
        """Check that the key and the role both allow it.

        Raises:
            RequestRefused: `scope_missing` for the key, `not_allowed` for the role.
        """
        if scope not in self.scopes:
            raise refusals.KEY_LACKS_SCOPE(scope=scope)
        if not self.may(scope):
            raise refusals.MANAGERS_ONLY() if scope is Scope.MANAGE else refusals.IMPORT_NOT_ALLOWED()


@dataclass(frozen=True)
class ClientCaller:
    """A client who signed in, or a co-owner of a client's account. What they see is decided by their login."""

    practice_id: UUID
    login_id: UUID
    name: str

    @property
    def owner(self) -> SessionOwner:
        """Whose sessions theirs are."""
        return SessionOwner(LoginKind.CLIENT, self.login_id)


AnyCaller = Caller | ClientCaller


def caller_of(found: SignIn) -> AnyCaller:
    """Whoever may sign in, as the caller of a request."""
    if found.staff is not None:
        return Caller.of(found.staff)
    return ClientCaller(found.practice_id, found.login.id, found.name)
